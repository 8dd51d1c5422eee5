"""Verifies a stored timestamp with `rfc3161-client`: NOTE RESPONSE ROOT. Prints its time."""

import sys
from pathlib import Path

from cryptography.x509 import load_pem_x509_certificate
from rfc3161_client import VerificationError, VerifierBuilder, decode_timestamp_response

note, response, root = (Path(argument).read_bytes() for argument in sys.argv[1:])
response = decode_timestamp_response(response)
verifier = VerifierBuilder().add_root_certificate(load_pem_x509_certificate(root)).build()
try:
    verifier.verify_message(response, note)
except VerificationError as error:
    print(error, file=sys.stderr)
    sys.exit(1)
print(response.tst_info.gen_time.isoformat())
