"""The portal: pages for people, who do here what the API lets them do, and nothing else."""

from shared.web.bodies import Router

ROUTERS: list[Router] = []
