package autosign

import (
	"context"
	"sync"
	"time"

	"github.com/autosign-dns/autosign/plugin/agenda"
)

// What there is to do for a zone, as it stands on the agenda.
const (
	workSign  = "sign"  // signatures are due
	workKeys  = "keys"  // a key is to change its state
	workRetry = "retry" // something failed
	workAsked = "asked" // somebody asked for it
	workNews  = "news"  // another instance may have changed the state
)

// poll is how often sources are looked at, for each hundred zones: comparing a
// pointer costs next to nothing, but not for a hundred thousand zones.
const poll = 50 * time.Millisecond

// clockSlack is how far the clock may be set back without anything being
// looked at for it.
const clockSlack = time.Minute

// maxPasses bounds the zones worked on at a time. Most of a pass is waiting for
// a place in the crew.
const maxPasses = 64

// loop wakes, looks what is due, has it done, and sleeps. It compares wall time
// at every wake and sets no timer for moments beyond the next look at the
// sources, so neither jumps of the clock nor a long stop of the machine are
// missed.
type loop struct {
	now     func() time.Time
	poll    time.Duration
	ctx     context.Context
	cancel  context.CancelFunc
	wake    chan struct{}
	room    chan struct{}
	errands chan struct{}  // looks at parents, and messages to them, under way
	ears    chan struct{}  // looks at the store for changes of other instances, under way
	done    sync.WaitGroup // the loop itself and the passes

	mu      sync.Mutex
	started bool
	last    time.Time // wall time of the last look
	until   time.Time // wall time of the next one
	signers []*signer
	agenda  agenda.Agenda
	byName  map[string]*signer
}

func newLoop() *loop {
	l := &loop{
		now:     func() time.Time { return time.Now().Round(0) },
		poll:    poll,
		wake:    make(chan struct{}, 1),
		room:    make(chan struct{}, maxPasses),
		errands: make(chan struct{}, maxLooks),
		ears:    make(chan struct{}, maxLooks),
		byName:  map[string]*signer{},
	}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	return l
}

// add puts a zone into the loop's care; its first pass is due at once.
func (l *loop) add(s *signer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s.loop = l
	l.signers = append(l.signers, s)
	l.byName[s.label()] = s
	l.agenda.Set(s.label(), workSign, time.Time{})
	l.agenda.Set(s.label(), workNews, l.now().Add(max(s.policy.ZonePropagation/2, time.Second)))
}

// start starts the loop; once is enough.
func (l *loop) start() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.started {
		l.started = true
		l.done.Go(l.run)
	}
}

// stop ends the loop and waits for the passes under way.
func (l *loop) stop() {
	l.cancel()
	l.done.Wait()
}

func (l *loop) run() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-l.ctx.Done():
			return
		case <-timer.C:
		case <-l.wake:
		}
		timer.Reset(l.look(l.now()))
	}
}

// look starts the passes that are due, and returns how long to sleep.
func (l *loop) look(now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	for item, ok := l.agenda.Due(now); ok; item, ok = l.agenda.Due(now) {
		switch s := l.byName[item.Zone]; {
		case asksOutside(item.What):
			l.errand(s, item.What)
		case item.What == workNews:
			l.listen(s, now)
		default:
			l.begin(s)
		}
	}
	back := now.Before(l.last.Add(-clockSlack))
	l.last = now
	for _, s := range l.signers {
		// With the clock set back, what is planned is too late, and signatures
		// may not be valid yet.
		if back || !s.busy && !s.unread && s.sourceChanged() {
			l.begin(s)
		}
	}
	return l.rest(now)
}

// rest returns how long to sleep: until the sources are looked at again, or
// until the next item on the agenda if that comes before. The lock is held.
func (l *loop) rest(now time.Time) time.Duration {
	d := l.poll * time.Duration(1+(len(l.signers)-1)/100)
	if next, ok := l.agenda.Next(); ok {
		d = min(d, max(next.When.Sub(now), time.Millisecond))
	}
	l.until = now.Add(d)
	return d
}

// listen looks whether another instance has changed the zone's state. Holds
// count on every server having a version within the propagation delay: whoever
// works beside others must not learn of what they did much later. The lock is
// held.
func (l *loop) listen(s *signer, now time.Time) {
	l.agenda.Set(s.label(), workNews, now.Add(max(s.policy.ZonePropagation/2, time.Second)))
	if s.busy || s.listening {
		return
	}
	s.listening = true
	l.done.Go(func() {
		select {
		case l.ears <- struct{}{}: // not errands: parents that do not answer take long
			defer func() { <-l.ears }()
		case <-l.ctx.Done():
			return
		}
		if s.docs.news(l.ctx) {
			l.ask(s)
		}
		l.mu.Lock()
		s.listening = false
		l.mu.Unlock()
	})
}

// begin starts a pass over a zone, or has the one under way followed by
// another. The lock is held.
func (l *loop) begin(s *signer) {
	if s.busy {
		s.more = true
		return
	}
	s.busy = true
	l.done.Go(func() {
		select {
		case l.room <- struct{}{}:
			defer func() { <-l.room }()
		case <-l.ctx.Done():
			return
		}
		s.pass(l.ctx)
		l.mu.Lock()
		defer l.mu.Unlock()
		s.busy = false
		if s.more {
			s.more = false
			l.agenda.Set(s.label(), workAsked, time.Time{})
			l.nudge()
		}
	})
}

// ask has a zone worked on as soon as possible.
func (l *loop) ask(s *signer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.agenda.Set(s.label(), workAsked, time.Time{})
	l.nudge()
}

func (l *loop) nudge() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// plan notes when a zone is next due; zero moments are none.
func (l *loop) plan(s *signer, due, keys, retry time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for what, when := range map[string]time.Time{workSign: due, workKeys: keys, workRetry: retry} {
		if when.IsZero() {
			l.agenda.Remove(s.label(), what)
		} else {
			l.agenda.Set(s.label(), what, when)
			if when.Before(l.until) {
				l.nudge()
			}
		}
	}
}

// Schedule returns what is to be done for the zones of a server block, and for
// those beside it, earliest first.
func (a *Autosign) Schedule() []agenda.Item {
	if len(a.signers) == 0 {
		return nil
	}
	l := a.signers[0].loop
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.agenda.All()
}
