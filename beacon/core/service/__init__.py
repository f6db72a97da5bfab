"""One service, and all of them: from healths to verdict, incident and cause.

    verdict     the table: healths of the cells → verdict; remembers nothing
    hold        the verdict over time: holds after trouble, recovering
    incident    one incident at a time, from opening to close
    diagnosis   what explains the trouble, ranked, each cause with its readings
    blind       when to announce that we cannot see, and that we see again
    facts       vendor's words, missing records, codes that arrived: kept with an incident
    parts       what is wrong part by part: what an acknowledgement covers, and what is new
    held_back   what an operator holds back, and when it may alarm again; what is inhibited
    inhibition  what something that it depends on holds back
    service     one service: all of the above, and what is announced
    roll_up     all services: which are judged anew, the overall verdict, the foremost incident

Must never happen: a claim or a cause makes it red; trouble that lasts stays silent.
"""
