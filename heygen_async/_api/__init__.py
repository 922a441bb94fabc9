"""The service's HTTP interface, pure: one function per endpoint, and bytes of an answer to a value or an error."""
