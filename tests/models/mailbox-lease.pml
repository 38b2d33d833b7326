/*
 * One message of a mailbox, its workers, and a node that can crash at any moment.
 *
 * What a request changes is seen at once in memory (`seen_`), and answered only after it is on the disk (`kept_`). A
 * crash throws memory, timers and answers under way away; what was not yet synced is on the disk or not. Time is left
 * out: a lease may end at any moment, a worker may take any time between two steps, die, or use its token again.
 * Answers may arrive late and in any order.
 *
 * Each variant -D… takes one rule of the engine away; `main.ts` requires that the checker finds the damage.
 */
#ifndef WORKERS
#define WORKERS 3
#endif
#ifndef RELEASES
#define RELEASES 1
#endif
#ifndef REDRIVES
#define REDRIVES 1
#endif
#define ATTEMPTS 2
/* Fences that can be met, 0 included: each round of attempts, and what releases and redrives add to them. */
#define FENCES (ATTEMPTS * (REDRIVES + 1) + RELEASES + 1)

mtype:phase = { READY, LEASED, DEAD, GONE };
mtype:answer = { NONE, APPLIED, GOOD, STALE, LOST };

mtype:phase seen_phase = READY;
byte seen_attempt, seen_fence;
bool timer;

mtype:phase kept_phase = READY;
byte kept_attempt, kept_fence;
bool dirty;

byte releases, redrives;
/* Without a bound the node may crash for ever; then nothing can be promised to happen. */
#ifdef CRASHES
byte crashes;
#endif

/* Of each worker: what became of its request, and the token that it holds (0: none). */
mtype:answer answer[WORKERS] = NONE;
byte token[WORKERS];

/* What the world outside has seen; only assertions read these. */
bool acknowledged;
bool given[FENCES];
bool settled[FENCES];
byte newest;

inline change() { dirty = true }

/* The answer waits for the disk. */
inline answer_when_durable(w) {
  change();
  answer[w] = APPLIED
}

#ifdef NO_FENCE_CHECK
#define accepts(t) (t != 0 && seen_phase == LEASED)
#else
#define accepts(t) (t != 0 && seen_phase == LEASED && t == seen_fence)
#endif

inline fail_delivery() {
  timer = false;
  if
  :: seen_attempt >= ATTEMPTS -> seen_phase = DEAD
  :: else -> seen_phase = READY
  fi;
  change()
}

/* Nobody else was told a newer lease, and nobody was told that this one is settled. */
inline check_acceptance(t) {
  assert(t == newest);
  assert(!settled[t])
}

inline check_live_leases() {
  byte live = 0;
  byte each;
  for (each : 0 .. WORKERS - 1) {
    if
    :: accepts(token[each]) -> live++
    :: else
    fi
  }
  assert(live <= 1);
  live = 0;
  each = 0
}

/* Fairness is between processes: one that asks with an old token for ever would never ask for work again. */
#ifdef GIVES_UP
#define give_up(w) token[w] = 0
#else
#define give_up(w) skip
#endif

proctype worker(byte me) {
  byte asked;
end:
  do
  :: d_step {
      seen_phase == READY && answer[me] == NONE ->
      assert(!acknowledged);
      seen_phase = LEASED;
      seen_attempt++;
      seen_fence++;
      asked = seen_fence;
      timer = true;
      answer_when_durable(me);
#ifdef LEASE_NOT_DURABLE
      answer[me] = GOOD
#endif
    }
    if
    :: d_step {
        answer[me] == GOOD ->
        answer[me] = NONE;
        assert(!given[asked]);
        given[asked] = true;
        token[me] = asked;
        if
        :: asked > newest -> newest = asked
        :: else
        fi;
        check_live_leases();
        asked = 0
      }
    :: d_step { answer[me] == LOST -> answer[me] = NONE; asked = 0 }
    fi
  :: token[me] != 0 ->
    if
    :: d_step { /* ack */
        if
        :: accepts(token[me]) ->
          check_acceptance(token[me]);
          seen_phase = GONE;
          timer = false;
          answer_when_durable(me);
#ifdef ACK_BEFORE_SYNC
          answer[me] = GOOD
#endif
        :: else -> answer[me] = STALE
        fi
      }
      if
      :: d_step {
          answer[me] == GOOD ->
          answer[me] = NONE;
          acknowledged = true;
          settled[token[me]] = true
        }
      :: d_step { answer[me] == STALE || answer[me] == LOST -> answer[me] = NONE; give_up(me) }
      fi
    :: d_step { /* nack */
        if
        :: accepts(token[me]) -> check_acceptance(token[me]); fail_delivery(); answer[me] = APPLIED
        :: else -> answer[me] = STALE
        fi
      }
      if
      :: d_step { answer[me] == GOOD -> answer[me] = NONE; settled[token[me]] = true }
      :: d_step { answer[me] == STALE || answer[me] == LOST -> answer[me] = NONE; give_up(me) }
      fi
    :: d_step { /* release */
        releases < RELEASES && accepts(token[me]) ->
        releases++;
        check_acceptance(token[me]);
        seen_phase = READY;
        seen_attempt--;
        timer = false;
        answer_when_durable(me)
      }
      if
      :: d_step { answer[me] == GOOD -> answer[me] = NONE; settled[token[me]] = true }
      :: d_step { answer[me] == LOST -> answer[me] = NONE }
      fi
    :: d_step { /* extend: time is left out, so only whether it is taken matters */
        accepts(token[me]) -> check_acceptance(token[me])
      }
    :: token[me] = 0 /* it dies or gives up */
    fi
  od
}

proctype disk() {
  byte each;
end:
  do
  :: d_step {
      dirty ->
      kept_phase = seen_phase;
      kept_attempt = seen_attempt;
      kept_fence = seen_fence;
      dirty = false;
      for (each : 0 .. WORKERS - 1) {
        if
        :: answer[each] == APPLIED -> answer[each] = GOOD
        :: else
        fi
      }
      each = 0
    }
  od
}

/* A lease ends by itself. */
proctype clock() {
end:
  do
  :: d_step { seen_phase == LEASED && timer -> fail_delivery() }
  od
}

proctype operator() {
end:
  do
  :: d_step {
      seen_phase == DEAD && redrives < REDRIVES ->
      redrives++;
      seen_phase = READY;
      seen_attempt = 0;
#ifdef REDRIVE_RESETS_FENCE
      seen_fence = 0;
#endif
      change()
    }
  od
}

proctype crash() {
  byte each;
end:
  do
  :: atomic {
#ifdef CRASHES
      crashes < CRASHES ->
      crashes++;
#endif
      if
      :: kept_phase = seen_phase; kept_attempt = seen_attempt; kept_fence = seen_fence
      :: true
      fi;
      seen_phase = kept_phase;
      seen_attempt = kept_attempt;
      seen_fence = kept_fence;
      dirty = false;
#ifdef TIMER_FORGOTTEN
      timer = false;
#else
      timer = (kept_phase == LEASED);
#endif
      for (each : 0 .. WORKERS - 1) {
        if
        :: answer[each] == APPLIED || answer[each] == GOOD || answer[each] == STALE -> answer[each] = LOST
        :: else
        fi
      }
      each = 0
    }
  od
}

init {
  byte each;
  atomic {
    for (each : 0 .. WORKERS - 1) { run worker(each) }
    run disk();
    run clock();
    run operator();
    run crash();
    each = 0
  }
}

/* What was acknowledged as done stays done. */
ltl final { [] (acknowledged -> (kept_phase == GONE && seen_phase == GONE)) }

/* Attempts are bounded, so every message ends: done, or a dead letter. */
ltl ends { <> [] (kept_phase == GONE || kept_phase == DEAD) }
