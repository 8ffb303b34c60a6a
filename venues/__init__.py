"""What an exchange does to an account."""
