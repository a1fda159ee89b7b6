"""AWS Identity and Access Management: access keys of the account, roles and instance profiles as records."""
