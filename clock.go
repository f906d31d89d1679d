package autosign

import (
	"sync"
	"time"

	"github.com/autosign-dns/autosign/plugin/event"
	"github.com/autosign-dns/autosign/plugin/state"
)

// Wall time is not trusted: machines start with a wrong clock, and clocks are
// set wrong. Signing follows the clock, since signatures must be good now, but
// not ahead while what is served is good by either time. What keys do follows
// it only when it runs as the monotonic clock does.
const (
	// jumpRunning is how far wall time may run ahead of the monotonic clock.
	jumpRunning = time.Hour
	// jumpStopped is how far it may be ahead of the last moment stored, at start. To
	// doubt a clock that is right costs keys an hour and a delay, no signature.
	jumpStopped = 48 * time.Hour
	// steady is how long a clock that jumped has to run evenly to be believed.
	steady = time.Hour
	// clockStep is what wall time may gain on the monotonic clock without being
	// taken for a jump.
	clockStep = time.Second
	// backdated is how long before its moment a signature's validity begins
	// (plugin/sign): a version may be made ahead of the clock by this much.
	backdated = time.Hour
)

// clock is the wall clock with a memory of how it ran.
type clock struct {
	wall func() time.Time // time.Now; tests set it wrong

	mu      sync.Mutex
	base    time.Time     // monotonic
	offset  time.Duration // wall minus monotonic, as it is believed
	ahead   time.Duration // the same, as a jump made it; judged while doubted is set
	doubted time.Time     // monotonic: since when the clock is not believed; zero: it is
	stopped bool          // it is not believed because of how long nothing ran
	jumped  time.Duration // how far it jumped ahead, and is believed, and no document knows of it
}

func newClock(wall func() time.Time) *clock {
	base := time.Now()
	return &clock{wall: wall, base: base, offset: wall().Round(0).Sub(base.Round(0))}
}

// now returns wall time.
func (c *clock) now() time.Time { return c.wall().Round(0).UTC() }

// doubt makes the clock unbelieved from now on: at start it was too far ahead of
// the last moment stored, by so much, or, below zero, behind it.
func (c *clock) doubt(by time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.doubted.IsZero() {
		c.doubted, c.ahead, c.stopped = time.Now(), c.offset, true
		c.offset -= by
	}
}

// took notes that a document knows of jumps this far ahead.
func (c *clock) took(jump time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.jumped = max(c.jumped-jump, 0)
}

// believe takes wall time for what it says from now on.
func (c *clock) believe(offset time.Duration) {
	if by := offset - c.offset; by > clockStep {
		c.jumped += by
	}
	c.doubted, c.offset, c.stopped = time.Time{}, offset, false
}

// believed reports whether wall time ran evenly; if not, until when a jump is
// waited for to hold, and how far it went while this process watched.
func (c *clock) believed(now time.Time) (ok bool, until time.Time, jump time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	mono := time.Now()
	offset := now.Sub(c.base.Round(0)) - mono.Sub(c.base)
	switch {
	case c.doubted.IsZero() && offset-c.offset > jumpRunning:
		c.doubted, c.ahead = mono, offset
	case c.doubted.IsZero():
		c.believe(offset) // slow drift, and jumps back, which move nothing
		return true, time.Time{}, 0
	case (offset - c.ahead).Abs() > jumpRunning: // it jumped again
		c.doubted, c.ahead = mono, offset
		if (offset - c.offset).Abs() <= jumpRunning { // back to where it was
			c.believe(offset)
			return true, time.Time{}, 0
		}
	case mono.Sub(c.doubted) >= steady:
		c.believe(offset)
		return true, time.Time{}, 0
	}
	until = now.Add(steady - mono.Sub(c.doubted))
	if c.stopped {
		return false, until, 0
	}
	return false, until, offset - c.offset
}

// moment is what a pass takes for the time.
type moment struct {
	now    time.Time     // wall time
	sign   time.Time     // for signatures
	key    time.Time     // for what keys do
	seen   time.Time     // to be noted as the last moment at which the zone was worked on
	frozen time.Time     // keys stand still until then, because the clock jumped; zero: they do not
	jump   time.Duration // how far the clock jumped ahead without a document knowing of it
	back   bool          // the clock is behind signatures already published: none of them may be taken over
}

// judge decides what time it is for a zone that was last worked on at seen,
// with a last version of the slot published; what is served is good until
// expiry (zero: nothing is served).
func (c *clock) judge(now, seen, published, expiry time.Time) moment {
	m := moment{now: now, sign: now, key: now, seen: now}
	if published.After(now) {
		// The version made in that slot must not be followed by an older one,
		// unless its signatures are not valid yet.
		if published.Add(-backdated).After(now) {
			m.back = true
		} else {
			m.sign = published
		}
	}
	ok, until, jump := c.believed(now)
	if !ok {
		m.frozen = until
		// Signatures that begin at a moment that may not have come must not take
		// the place of valid ones.
		if before := now.Add(-jump).Truncate(time.Second); jump > 0 && expiry.After(until) && !published.After(before) {
			m.sign = before
		}
	}
	if !ok && !seen.IsZero() {
		m.seen = seen
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	m.jump = c.jumped
	return m
}

// see notes the moment in a document. One that a clock far ahead has left there
// is put right once the clock is believed.
func (m moment) see(d *state.Document) {
	if d.LastSeen.Sub(m.seen) > jumpRunning && m.frozen.IsZero() {
		d.LastSeen = m.seen
	}
	d.See(m.seen)
}

// judge decides what time it is for the zone, and tells of a clock that jumped.
func (s *signer) judge(doc *state.Document) moment {
	now := s.clock.now().Truncate(time.Second) // of what is stored and signed
	if by := now.Sub(doc.LastSeen); !s.looked && !doc.LastSeen.IsZero() && (by > jumpStopped || by < -jumpRunning) {
		s.clock.doubt(by)
	}
	s.looked = true
	s.beginBeyond(doc, now)
	last, _ := doc.Last()
	var expiry time.Time
	if v := s.served.Load(); v != nil {
		expiry = time.Unix(v.signed.Expiry, 0)
	}
	m := s.clock.judge(now, doc.LastSeen, last.Slot, expiry)
	m.key = s.clock.now().Truncate(time.Millisecond)
	if doubted := !m.frozen.IsZero(); doubted != s.doubted {
		if s.doubted = doubted; doubted {
			s.tell(event.Event{Kind: event.ClockJumped, From: doc.LastSeen.Format(time.RFC3339), To: now.Format(time.RFC3339),
				Why: "keys do nothing until the clock has run evenly for " + steady.String(), Next: m.frozen})
		}
	}
	return m
}
