"""What people change of their realm: one class for each action, one file for each subject."""

from services.approval.actions.issuers import AddIssuer, RemoveIssuer
from services.approval.actions.members import (
    AddMember,
    AssignRole,
    RemoveFactors,
    RemoveMember,
    RemoveRole,
    ResetPassword,
)
from services.approval.actions.settings import ChangeSettings
from services.approval.administering import Action

# By its kind an action that was put to the vote is found again when the last vote carries it.
ACTIONS: dict[str, type[Action]] = {
    action.kind: action
    for action in (
        ChangeSettings,
        AddMember,
        RemoveMember,
        AssignRole,
        RemoveRole,
        ResetPassword,
        RemoveFactors,
        AddIssuer,
        RemoveIssuer,
    )
}
