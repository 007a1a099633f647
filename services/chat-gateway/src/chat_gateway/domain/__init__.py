"""What happens to a conversation: pure. `records` says what is kept, `decisions` what becomes of it.

The gateway alone opens and ends interactions (design.md section 2, "Who decides"). A conversation is

    waiting   a task was asked for; the router queues and offers it        assigned  an agent has it
    open      nobody has it; the customer's next message asks again        ended     over, for good
"""
