"""How quick is the command line? Against what every client of boto3 pays before its first request."""

from .measure import MINICLOUD, PYTHON, command, in_turn, report

RUNS = 15
BOTO3 = "import boto3; boto3.client('ec2', region_name='us-east-1')"


def main() -> None:
    """Measure `minicloud describe-instances` without a daemon: it looks at libvirt itself."""
    report(
        "minicloud describe-instances against import boto3 and its EC2 client",
        in_turn(
            {
                "minicloud describe-instances": lambda: command(MINICLOUD, "describe-instances"),
                "python -c 'import boto3; boto3.client(...)'": lambda: command(PYTHON, "-c", BOTO3),
            },
            RUNS,
        ),
        "at most 0.50",
    )


if __name__ == "__main__":
    main()
