"""Writes the mails that carry one-time links, as text and as HTML, in the reader's language."""

from email.message import EmailMessage
from typing import Final

from services.approval.one_time import link_address
from services.approval.store.mails import About, Mail
from services.approval.words import DEFAULT, Words
from shared.mail.message import write_message
from shared.mail.templates import mail_templates
from shared.settings import Settings

_SUBJECTS: Final[dict[str, dict[About, str]]] = {
    "en": {
        "welcome": "Set up your account at Lockbox",
        "reset": "Set a new password at Lockbox",
        "privileged_role": "Set up your account at Lockbox anew",
    },
    "de": {
        "welcome": "Richten Sie Ihr Konto bei Lockbox ein",
        "reset": "Setzen Sie Ihr Passwort bei Lockbox neu",
        "privileged_role": "Richten Sie Ihr Konto bei Lockbox neu ein",
    },
}


class LinkLetters:
    """Each language has its words in a template of its own; the form of all of them is the same."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._templates = mail_templates("services.approval")

    def write(self, mail: Mail) -> EmailMessage:
        """Make the message; its link is the same each time. Raises NoAddress."""
        language = mail.language if mail.language in _SUBJECTS else DEFAULT
        facts = {
            "about": mail.about,
            "name": mail.name,
            "organisation": mail.realm_name,
            "email": mail.email,
            "realm": mail.realm,
            "link": link_address(self._settings, mail.link_id),
            "until": Words(language).instant(mail.expires_at),
            "subject": _SUBJECTS[language][mail.about],
            "language": language,
            "demo": self._settings.demo,
        }
        return write_message(
            mail_from=self._settings.mail_from,
            recipient=mail.email,
            subject=_SUBJECTS[language][mail.about],
            text=self._templates.get_template(f"link.{language}.txt").render(facts),
            html=self._templates.get_template(f"link.{language}.html").render(facts),
            mail_id=mail.id,
            made_at=mail.made_at,
        )
