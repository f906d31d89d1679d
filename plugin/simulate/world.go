package simulate

import (
	"slices"
	"time"

	"github.com/autosign-dns/autosign/plugin/policy"
	"github.com/autosign-dns/autosign/plugin/rollover"
)

// world is everything: the store, the processes, the parent, caches and
// validators. It goes from event to event; between them nothing happens.
type world struct {
	setup Setup
	step  Step
	rng   chance
	end   time.Time

	now   time.Time // true time
	queue []happening
	order int // of happenings at one moment

	policy  policy.Policy
	zoneTTL uint32
	clock   clock

	// What is stored, one for all processes.
	set  rollover.KeySet
	gens []generation // oldest first, at most two
	pool []rollover.Candidate
	tags map[uint16]bool

	processes []*process
	parent    *parent // nil with parent none
	caches    *caches
	anchors   *anchors // nil where there is a parent

	// Until when something fails.
	noStore, noPublish, noKeys time.Time

	history *History
	names   map[string]*Key
	numbers map[policy.Role]int
}

// happening is something that will happen.
type happening struct {
	at    time.Time
	order int
	what  func()
}

// Run simulates a setup. It ends early only if Step does not come to rest,
// which the history then says among the bogus instants.
func Run(s Setup) *History {
	w := newWorld(s)
	for _, e := range s.Events {
		w.after(e.At, func() { w.event(e) })
	}
	for _, p := range w.processes {
		w.after(0, func() { w.look(p) })
	}
	for len(w.queue) > 0 && !w.queue[0].at.After(w.end) {
		h := w.queue[0]
		w.queue = w.queue[1:]
		w.now = h.at
		h.what()
	}
	w.now = w.end
	w.finish()
	return w.history
}

func newWorld(s Setup) *world {
	if s.Start.IsZero() {
		s.Start = time.Date(2030, time.January, 1, 0, 0, 0, 0, time.UTC)
	}
	if s.ZoneTTL == 0 {
		s.ZoneTTL = 86400
	}
	if s.Step == nil {
		s.Step = rollover.Step
	}
	w := &world{
		setup: s, step: s.Step, rng: chance(s.Seed), now: s.Start, end: s.Start.Add(s.For),
		policy: s.Policy, zoneTTL: s.ZoneTTL, tags: map[uint16]bool{},
		names: map[string]*Key{}, numbers: map[policy.Role]int{},
		history: &History{Zone: s.Zone, Start: s.Start, End: s.Start.Add(s.For), Anchors: s.Policy.NoParent},
	}
	for i := range max(s.Replicas, 1) {
		w.processes = append(w.processes, &process{index: i})
	}
	if s.Policy.NoParent {
		w.anchors = &anchors{}
		w.caches = newCaches(len(w.processes), 0)
	} else {
		w.parent = newParent(w)
		w.caches = newCaches(len(w.processes), len(w.parent.servers))
	}
	for i := range w.processes { // before it was signed the zone was served unsigned
		w.caches.dnskey.serve(i, w.now, w.lag(), w.zoneTTL, content{})
		w.caches.zone.serve(i, w.now, w.lag(), w.zoneTTL, content{})
	}
	return w
}

// after has something happen in a while.
func (w *world) after(d time.Duration, what func()) { w.at(w.now.Add(d), what) }

// at has something happen at a moment, after all that happens then already.
func (w *world) at(t time.Time, what func()) {
	w.order++
	i, _ := slices.BinarySearchFunc(w.queue, happening{at: t, order: w.order}, func(a, b happening) int {
		if c := a.at.Compare(b.at); c != 0 {
			return c
		}
		return a.order - b.order
	})
	w.queue = slices.Insert(w.queue, i, happening{t, w.order, what})
}

// judge asks the model after something new came about.
func (w *world) judge() {
	faults := w.caches.judge(w.now, w.anchors)
	for _, mix := range faults {
		w.history.Bogus = append(w.history.Bogus, Bogus{At: w.now, Mix: mix})
	}
}

// finish notes what had not come to rest at the end.
func (w *world) finish() {
	for _, k := range w.history.Keys {
		for r, spans := range k.Spans {
			if n := len(spans); spans[n-1].To.IsZero() {
				k.Spans[r][n-1].To = w.end
			}
		}
	}
	if n := len(w.history.Denial); n > 0 && w.history.Denial[n-1].To.IsZero() {
		w.history.Denial[n-1].To = w.end
	}
	plan := w.step(w.clock.keys(w.now), w.policy, w.facts(w.processes[0]), w.set)
	for _, r := range plan.Reasons {
		if r.State == r.Goal && r.Waiting == "" && r.Key != "" {
			continue
		}
		wait := Waiting{Key: r.Role.String(), Record: r.Record.String(), State: r.State.String(), For: r.Waiting}
		if k := w.names[r.Key]; k != nil {
			wait.Key = k.Name
		} else {
			wait = Waiting{Key: "next " + wait.Key, For: r.Waiting}
		}
		w.history.Waiting = append(w.history.Waiting, wait)
	}
}

// clock is the processes' clock. As a server does, they follow it back, and doubt
// it when it jumps far ahead, until it ran evenly for an hour.
type clock struct {
	offset   time.Duration // wall time minus true time
	believed time.Duration // the offset that is believed
	doubted  time.Time     // true time until which the offset is not
}

const (
	smallJump = time.Hour // believed at once
	steady    = time.Hour // how long a clock has to run evenly to be believed again
)

// jump sets the clock. It returns when the jump will be believed.
func (c *clock) jump(now time.Time, by time.Duration) time.Time {
	c.offset += by
	if c.offset-c.believed > smallJump {
		c.doubted = now.Add(steady)
		return c.doubted
	}
	c.believed, c.doubted = c.offset, time.Time{}
	return now
}

// frozen reports whether keys stand still because of a jump, and until which
// wall time.
func (c *clock) frozen() (time.Time, bool) {
	if c.doubted.IsZero() {
		return time.Time{}, false
	}
	return c.doubted.Add(c.offset), true
}

// believe takes a clock that jumped ahead for right if it ran evenly since, and
// returns how far it had jumped.
func (c *clock) believe(now time.Time) (by time.Duration, ok bool) {
	if c.doubted.IsZero() || now.Before(c.doubted) {
		return 0, false // it was set back, or jumped again
	}
	by = c.offset - c.believed
	c.believed, c.doubted = c.offset, time.Time{}
	return by, true
}

// keys returns wall time, by which keys live unless they are frozen.
func (c *clock) keys(now time.Time) time.Time {
	return now.Add(c.offset)
}

// chance gives numbers that look random and are the same for the same seed:
// the generator of Steele, Lea and Flood, "Fast Splittable Pseudorandom Number
// Generators" (2014).
type chance uint64

func (c *chance) next() uint64 {
	*c += 0x9e3779b97f4a7c15
	z := uint64(*c)
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// upTo returns a duration of whole seconds from 0 to d.
func (c *chance) upTo(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	return time.Duration(c.next()%(uint64(d/time.Second)+1)) * time.Second
}
