"""Create MLflow's bucket in an S3-compatible store, once the store answers: `python create_bucket.py NAME`.

Reads MLFLOW_S3_ENDPOINT_URL, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, as MLflow does. A bucket that exists is left
as it is. Exit status: 1, with a message, if the store does not answer within WAIT_S seconds or refuses.
"""

import os
import sys
import time

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

WAIT_S = 120
THERE_ALREADY = ("BucketAlreadyExists", "BucketAlreadyOwnedByYou")


def main() -> None:
    """Create the bucket named on the command line."""
    bucket, until = sys.argv[1], time.monotonic() + WAIT_S
    endpoint = os.environ["MLFLOW_S3_ENDPOINT_URL"]
    settings = Config(connect_timeout=5, read_timeout=10, retries={"max_attempts": 1})
    store = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1", config=settings)
    while True:
        try:
            store.create_bucket(Bucket=bucket)
            break
        except ClientError as error:
            if error.response["Error"]["Code"] in THERE_ALREADY:
                break
            sys.exit(f"the object store at {endpoint} refuses to create the bucket {bucket}: {error}")
        except BotoCoreError as error:
            if time.monotonic() > until:
                sys.exit(f"the object store at {endpoint} does not answer: {error}")
            time.sleep(2)
    print(f"bucket {bucket}: ready")


if __name__ == "__main__":
    main()
