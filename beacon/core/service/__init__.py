"""One service, and all of them: from healths to verdict, incident and cause.

    verdict     the table: healths of the cells → verdict; remembers nothing
    hold        the verdict over time: holds after trouble, recovering
    incident    one incident at a time, from opening to close
    diagnosis   what explains the trouble, ranked, each cause with its readings
    blind       when to announce that we cannot see, and that we see again
    roll_up     all services: overall verdict, the tower's requests, announcements

Must never happen: a claim or a cause makes it red; trouble that lasts stays silent.
"""
