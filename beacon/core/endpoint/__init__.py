"""One endpoint: from readings to health. Then what depends on it.

    readings          all endpoints: takes in readings, unless our network or clock voids them
    state             one endpoint: from counted readings to its health
    streaks           readings in a row, and fails among the last six
    flapping          changes too often: the worst is held
    sign_ins          which endpoints the budgets of their accounts hold back
    latency/          which latency is usual at this hour of the week, and what is slow
    latency_watch     compares with it, and learns
    kept              what survives a restart
    delivery_stats    codes sent and arrived
    paid_reading      what cost a message counts over a restart, and over a loss of trust
    staleness         how long one may prove nothing before it is unknown
    dependencies      which services are judged anew when an endpoint changes

Must never happen: a fault of our own line or clock takes an endpoint down; one error ends a
streak.
"""
