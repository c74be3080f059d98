from tests.integration.local.stand_in import serve

serve()
