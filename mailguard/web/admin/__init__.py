"""The pages where administrators look after other people's accounts. What each may do: mailguard.admin.gate."""
