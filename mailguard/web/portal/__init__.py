"""The pages where people look after what opens their own mailbox."""
