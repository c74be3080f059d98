"""What goes wrong with an issuer, in words for whoever has to mend it."""


class IssuerFault(Exception):
    """An issuer, or what it says, is not accepted; nothing happens.

    `code` is stable, for logs and tests. `detail` is a whole sentence for a human. `field` names what of the issuer's
    entry is to be corrected, where it is that.
    """

    def __init__(self, code: str, detail: str, *, field: str = "issuer") -> None:
        super().__init__(code)
        self.code = code
        self.detail = detail
        self.field = field
