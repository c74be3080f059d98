"""What request_api handles is what it is told."""

from services.request_api.handlers import HANDLERS
from shared.messaging.subscriptions import CONSUMES


def test_there_is_a_handler_for_every_type_that_is_delivered_and_for_no_other() -> None:
    assert HANDLERS.keys() == CONSUMES["request_api"]
