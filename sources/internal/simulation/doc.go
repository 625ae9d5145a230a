// Package simulation runs whole mappings against simulated services, thousands
// of them in a minute of a test, and holds each run against the promises of the
// engine. It is for tests: of the engine, and of source adapters.
//
// # A run
//
// A seed decides everything. It draws a [Scenario]: records, keys and sizes, the
// configuration of the mapping, a handler that fails, hangs, panics or names
// some records, calls that fail before or after their effect,
// partitions that are split, merged, revoked or lost, stops and kills. One
// scenario in five is calm: without any fault, so that promises that hold only then
// can be held too; partitions are revoked then too, handlers take up to their whole
// time limit, and the mapping is stopped.
//
// What was added later is a list of troubles, each with a name and dice of its own:
// handlers and destinations that ignore their context, calls that hang until their
// deadline, late answers, odd errors, callbacks that panic, lanes that a busy machine
// runs late. A trouble that the engine does not bear yet is pending, and stays out.
//
// The scenario is played in a bubble of package testing/synctest, in virtual
// time. A [World] is the service; it outlives the processes that read it. A
// [Life] is one process with one mapping, from its start to its stop or kill.
// All that crosses the border of the mapping (calls to the source, invocations,
// deliveries) waits at a gate, which lets one through at a time, each at an
// instant of its own, when all other goroutines are blocked. So a seed takes the
// same course each time; some seeds are played twice to see that it does.
//
// First there are faults. Then they end, and after a while only poison
// records still fail: nothing but their own lanes may be held up. In the end
// everything works, all must drain, and the mapping is stopped. The [Observer]
// sees what passes the gate, knows nothing of the engine's own books, and stops
// the run at the first promise that is broken. Then the scenario is made simpler
// as long as it still fails, and printed with its history.
//
// # Replaying a seed
//
// A failure prints the command that replays it, and the file that has the seeds of a
// kind which failed once: they are always played. The flags of the test binary:
//
//	-simulation.seed=7     play seed 7 only, and print its history
//	-simulation.seeds=3000 play so many seeds of each kind
//	-simulation.first=1000 begin with this seed; $SIMULATION_FIRST says it for go test ./...
//	-simulation.for=10m    go on for so long
//	-simulation.all        with what the engine does not bear yet
//	-simulation.with=a,b   with these troubles of that
//
// # Attacking an adapter
//
// The author of an adapter writes a World around its source and the fake of its
// service: Open makes the source as a new process would, Send puts a record in,
// and what the service hands out, settles and takes back is told to the Observer
// (Entered, Handed, Returned, Settled or Passed, Redriven; of ordered sources
// Child, Opened, Revoked and Lost too; Violate for what only the world can see). Calls of
// the source pass [Life.Call], or a transport whose calls do; [Sim.Faulty] and
// [Sim.Chance] make them fail. What fails in another way is told to Observer.Failed. A
// [Kind] names the World and how it settles. Then
//
//	simulation.Attack(t, kind, 30, "fetch before", "ack after")
//	simulation.Enumerate(t, kind)
//
// plays 30 seeds (with -simulation.seeds=300 and above so many, and more until the
// faults named were reached), and kills a small scenario's process before and after
// every single step. [Queue] and [Stream] are the worlds of the engine's own tests.
//
// # Promises, and who guards the guards
//
// Each checker is itself held to its work, by sources with one thing wrong
// (TestTwins) and by engines with one line changed (.ci/mutants), which list many
// more than these. The number is how many seeds it took to catch it, in the kind
// that took longest; the tests allow some more.
//
//	    promise               checker            broken twin                                   seeds
//	P1  no loss               checkEnd,          source settles nothing                            3
//	                          checkForgotten,    source loses records                              2
//	                          delivered,         carry-over dropped after an invocation           15
//	                          invoked            filter ignored                                    8
//	                                             a batch given up one attempt too early            5
//	                                             what was let go counts as held for ever           4
//	P2  settled after         Settled, Passed    source settles what it hands out                  1
//	    success only                             source settles what failed                        4
//	                                             settled before the handler runs                   1
//	                                             partial failure read as success                  13
//	                                             what failed settled with what did not             5
//	                                             given up without delivery                         5
//	                                             dropped before the bound of its delivery        240
//	P3  position passes       Passed             source loses records of a stream                  3
//	    nothing unfinished                       source moves the position back                    2
//	                                             position passes an open record                    4
//	                                             a throttle counts as an attempt                   4
//	P4  order                 checkOrder,        source hands out a group twice at once            2
//	                          checkOwner         source gives each record a key of its own         4
//	                                             a failed batch's groups go on                    15
//	                                             second half of a bisected batch forgotten        44
//	                                             others tried again than a response names        156
//	                                             a lost partition handled further                 21
//	P5  no duplicates         checkEnd           source hands out twice                            3
//	    without faults                           half of a batch not settled                       3
//	                                             settlements not waited for                       30
//	                          checkSettled       a settlement cut off soon after the drain       157
//	                                             cancelled, as its partition is revoked         3
//	                          checkLeft,         started when it expires too soon                 54
//	                          checkRedriven      what did not fit is not kept                      6
//	                                             what did not fit is not extended                257
//	                                             a stop is not told                               45
//	                                             a stop cancels polls                             96
//	                                             a success judged by when the lane looks           3
//	P6  isolation             checkIsolation     source reads one partition after the other       46
//	                                             a lane that waits for handlers does too         224
//	                          checkWaiting,      growth waits for handlers                       106
//	                                             a lane that may not come yet never comes        337
//	                          checkBacklog,      a function fails as soon as one batch does      105
//	                          checkThrottled     throttled as long as records can be extended     49
//	                          checkIsolation     what was fetched with a batch that is retried    74
//	P7  bounds                checkBounds,       MaximumBufferedBytes ignored                     44
//	                          checkConcurrency   reading ahead without bound                      12
//	                                             lanes above the concurrency                      12
//	                          checkAbandoned,    one handler after the other abandoned           140
//	                          checkBytes         bytes of a queue not bounded                     29
//	                                             what was fetched, or is being, not counted       37
//	P8  batches               checkBatch,        source takes a record for a byte less            51
//	                          checkForgotten     source overstays its wait                         6
//	                                             a batch one byte too large                      386
//	                                             a batch one record too large                      8
//	                                             a window that never closes                        6
//	                                             a window twice as long                           24
//	P9  no hot loop, no       called,            source does not wait                              1
//	    early end             checkHaste,        source ends though it could go on                 1
//	                          checkRest,         fetch, accept, ack without back-off              29
//	                          checkStopped,      delivery without back-off                       119
//	                          checkLog           each lane logs a failure that all meet          119
//	                                             batch retried without back-off                   10
//	                                             a failed Accept ends the mapping                 17
//	                                             a Jitter of 0 makes hot loops                    12
//	                                             a throttle may last for ever                     61
//	P10 panics                the process        a panic not recovered                             8
//	                          lives on           observer, logger or Jitter not guarded           60
//	                                             a typed nil looked into                         300
//	P11 stop                  called, tell,      source keeps what is released                    26
//	                          checkReleased,     source is never closed                            1
//	                          checkClosing,      source leaves a goroutine behind                  1
//	                          checkStopped,      unstarted records not released                   26
//	                          checkFetched,      drain timeout ignored                            50
//	                          end of the bubble  Run does not wait for its lanes                  21
//	                          checkBegun,        a partition that was revoked read on           1
//	                          checkGiven,        a batch begun after the stop                    889
//	                          checkCut,          a destination waited for                        239
//	                                             Run silent about a delivery that it cut off    1920
//	                          Life.Hang          a call without a deadline                        15
//	P12 restart               Handed, invoked    source begins before what was settled             1
//	                                             commits not waited for at the end               659
//	P14 no failure unheard    checkReported      failed extensions not observed                  110
//	                                             failed reads or settlements not observed          3
//	P15 no signal lies        checkTrue          a failed receive told to all that share it        1
//
// The last one is of package sqs, whose simulation has checkers and mutants of its own:
//
//	P8   a Fetch for less than a second waits for one         30
//	     a Fetch waits for its call                            1
//	P11  a call of Start, to receive, delete or hide          87
//	     without a deadline
//	     a heartbeat that hangs ends all                      54
//	P6   a heartbeat without end                             107
//	P15  Expires counted from the answer                      14
//	     visibility not sent, or a change not noticed          3
//
// A panic that is not recovered ends the test binary, which says so itself. Waits
// are jittered, so P9 is broken by a row of retries without a wait, not by one.
// P13 is not simulated: nothing secret is there.
//
// Not held: the isolation of two sub-lanes of one partition, because keys are
// spread over them as the engine likes, and the growth of back-offs, which
// package retry tests.
package simulation
