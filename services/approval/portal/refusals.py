"""What the API's refusals say to people: plain sentences by their stable codes, in the reader's language."""

from typing import Final

from services.approval.portal import field_messages
from services.approval.words import N_, Words, visible
from shared.web.problems import Problem

_SAID: Final = {
    "unknown_role": N_("There is no such role here."),
    "sign_in_again": N_("For this you have to have signed in just now: sign out and in again first."),
    "wrong_credential": N_("What the device gave is no passkey for this portal. Please begin again."),
    "registration_expired": N_("That took too long. Please begin again."),
    "too_many_factors": N_("You have as many passkeys as fit. Remove one first."),
    "passkeys_need_a_name": N_(
        "Passkeys need a portal with a name: its address is a bare number. Use one-time codes, or ask who runs the portal."
    ),
    "factor_exists": N_("You have one-time codes already. Remove them first."),
    "already_decided": N_("This request has already been decided. What you see now is how it stands."),
    "already_made": N_("This was made already, and its secret was shown once. It cannot be shown again."),
    "already_voted": N_("You have already given your vote."),
    "access_ended": N_("This access has already ended."),
    "body_too_large": N_("What you sent is too long. Shorten it and send it again."),
    "change_closed": N_("This change has already been settled."),
    "code_required": N_("Enter the six digits that your authenticator app shows."),
    "decision_window_closed": N_(
        "The time to decide is over: nobody has access, and nobody will get it by this request."
    ),
    "foreign_form": N_(
        "This form was not sent from a page of this portal, or has grown too old. Nothing was done: open the page again."
    ),
    "forbidden": N_("Your role does not allow this."),
    "idempotency_conflict": N_(
        "This form was sent before, with other contents. The first one counts: look at how things stand before you send again."
    ),
    "internal_error": N_("Something went wrong on our side. Nothing is lost; please try again in a moment."),
    "issuer_exists": N_("This sign-in service is there already. Remove it first to change how it is used."),
    "invalid_credentials": N_("The organisation, the address or the password is wrong."),
    "invalid_request": N_("Something in this form has to be corrected; nothing was done."),
    "last_global_admin": N_("The last global administrator stays: make somebody else one first."),
    "last_operator": N_("The last operator stays: make somebody else one first."),
    "link_invalid": N_("This link does not count (any more). Ask for a new one."),
    "member_exists": N_("Somebody with this address is already there."),
    "not_entitled": N_("Your organisation has no licence for the lockbox, so it cannot be switched on."),
    "not_found": N_("There is nothing here that you may see."),
    "nothing_in_common": N_(
        "What the approvers allow has nothing in common, so that no access would be left. Deny it instead."
    ),
    "own_request": N_("This is your own request: somebody else decides on it."),
    "roles_stale": N_(
        "Your role comes from your organisation's sign-in service and has to be confirmed there once more."
    ),
    "second_factor_required": N_(
        "Your organisation asks for a second proof with each decision: a code of your authenticator app, or your passkey."
    ),
    "settings_changed": N_("The settings were changed meanwhile. Look at them as they are now, and decide again."),
    "signed_in_again": N_("You are signed in again, and nothing has been sent yet. Look at it once more, and send it."),
    "state_unknown": N_("It is not certain how things stand, so nothing is decided. Please try again in a moment."),
    "tenant_exists": N_("There is already a customer with this short name."),
    "too_few_approvers": N_("Then too few people would be left who may decide."),
    "too_many_answers": N_("No further answer fits into this request."),
    "too_many_attempts": N_("Too many attempts. Wait a while before you try again."),
    "too_many_questions": N_("No further question fits into this request."),
    "unavailable": N_(
        "A part that this needs does not answer at the moment, and nothing was done. Please try again shortly."
    ),
    "use_release": N_("Access is already being used. Give it back instead of withdrawing the request."),
    "widens_request": N_("A decision can allow less than was asked for, never more."),
    "wrong_assertion": N_("The passkey's answer does not fit this decision. Please try again."),
    "wrong_code": N_("This code is wrong or has been used. Wait for the next one."),
    "wrong_password": N_("This is not your password."),
}
_FIELDS: Final = {
    "must not be empty: leave at least one, or deny the request": N_("Leave at least one, or deny the request."),
    "is required: add it": N_("Please fill this in."),
    "must be longer": N_("This is too short."),
    "is not your password": N_("This is not your password."),
    "is longer than the request's: a decision can only shorten it": N_("This is longer than was asked for."),
}


class Errors(dict[str, str]):
    """The message beside each field that was refused; empty for all others."""

    def __missing__(self, name: str) -> str:
        """Give nothing for a field that is as it should be."""
        return ""


def explain(problem: Problem, words: Words) -> str:
    """Say in one or two sentences why something was refused; what has no words of ours is said as the API says it."""
    said = _SAID.get(problem.code)
    return words.gettext(said) if said is not None else visible(problem.detail or problem.code)


def field_errors(problem: Problem | None, words: Words) -> Errors:
    """Give the message beside each field that was refused."""
    return Errors(
        (
            name,
            words.gettext(_FIELDS[message])
            if message in _FIELDS
            else field_messages.said(message, words) or visible(message),
        )
        for name, message in (problem.errors if problem is not None else ())
    )
