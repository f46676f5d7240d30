"""Faults 1 to 8: kill -9, at each step of the protocol by crash points (base/fault.h), and at any moment."""
from lib.scenario import fault

BOTH = ("3.9", "4.1")


def drain_into(site, dice, point, last_n, delay_us=0):
    """The stream comes in while it works; the n-th passing of the point kills it. Then all must be made good."""
    site.setup()
    crash = f"{point}:{dice.randint(1, last_n)}" + (f":{delay_us}" if delay_us else "")
    one = site.warm(crash=crash, armed=False)
    one.arm()
    site.load_rest()
    one.wait_crash()
    site.wait_commit(site.start())


@fault(1, "kill -9 before anything is produced", runs=20, short_runs=1, kafkas=BOTH, other_runs=4)
def before_produce(site, dice):
    drain_into(site, dice, "before_produce", 40)


@fault(2, "kill -9 after produce", runs=20, short_runs=1, kafkas=BOTH, other_runs=4)
def after_produce(site, dice):
    drain_into(site, dice, "after_produce", 40)
