package simulate

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/autosign-dns/autosign/plugin/rollover"
)

// parent is the parent zone: a registry that takes up what the zone's CDS ask
// for, or what a person tells it, and servers that follow it, each in its time.
type parent struct {
	zone    string
	servers []*parentServer
	delay   time.Duration
	spread  time.Duration
	fixed   bool
	look    time.Duration
	ttl     uint32

	wishes []wish // of the zone, the oldest first
	read   int    // index of the wish that the registry read last
	number int    // of what the registry has
	left   int    // the number when the zone began to leave DNSSEC
	idle   time.Time

	observation rollover.Observation
	observed    time.Time     // true time of it
	vain        int           // looks since something changed
	phase       time.Duration // of the looks
	planned     time.Time     // of the next look; zero: nothing new can be seen
}

// wish is what the zone asks the parent for from a moment on.
type wish struct {
	since    time.Time
	cds      []string
	withdraw bool
}

// parentServer is a server of the parent.
type parentServer struct {
	name   string
	number int      // of what it has
	has    []string // IDs of the keys whose DS it has
	blind  time.Time
}

func newParent(w *world) *parent {
	s := w.setup.Parent
	p := &parent{zone: s.Zone, delay: s.Delay, spread: s.Spread, fixed: s.Fixed, look: s.Look, ttl: s.TTL}
	if p.zone == "" {
		_, p.zone, _ = strings.Cut(w.setup.Zone, ".")
	}
	if p.look <= 0 {
		p.look = time.Hour
	}
	if p.ttl == 0 {
		p.ttl = uint32(w.policy.DSTTL / time.Second)
	}
	if s.Servers == 0 {
		s.Servers = 3
	}
	for i := range s.Servers {
		p.servers = append(p.servers, &parentServer{name: fmt.Sprintf("ns%d.%s", i+1, p.zone)})
	}
	if !p.fixed {
		p.phase = w.rng.upTo(p.look)
	}
	w.after(0, func() { p.serve(w) })
	return p
}

// late is a delay up to d.
func (p *parent) late(w *world, d time.Duration) time.Duration {
	if p.fixed {
		return d
	}
	return w.rng.upTo(d)
}

// asked notes that what is stored is served. If it asks for other DS records,
// the registry will hear of it. Where the zone has no CDS a person passes on the
// same.
func (p *parent) asked(w *world) {
	next := wish{w.now, w.set.Delegated(), w.set.Withdrawn()}
	if n := len(p.wishes); n > 0 && p.wishes[n-1].withdraw == next.withdraw && slices.Equal(p.wishes[n-1].cds, next.cds) {
		return
	}
	p.wishes = append(p.wishes, next)
	p.vain = 0
	p.plan(w)
	w.after(p.late(w, p.delay), func() { p.takeUp(w) })
}

// takeUp has the registry do what it is asked for. It may read that from a
// server of the zone that lags, though never what is older than what it has
// read before (RFC 7344 section 6.2), and then reads again in time.
func (p *parent) takeUp(w *world) {
	if w.now.Before(p.idle) {
		w.at(p.idle, func() { p.takeUp(w) })
		return
	}
	then := w.now
	if !p.fixed {
		then = then.Add(-w.rng.upTo(w.setup.Policy.ZonePropagation))
	}
	n := len(p.wishes) - 1
	for n > p.read && p.wishes[n].since.After(then) {
		n--
	}
	if n < len(p.wishes)-1 {
		w.after(p.late(w, p.delay), func() { p.takeUp(w) })
	}
	p.read = n
	p.publish(w, p.wishes[n])
}

// publish has the servers follow the registry, each in its time.
func (p *parent) publish(w *world, v wish) {
	if len(v.cds) == 0 && !v.withdraw {
		return // nothing is asked for: all stays (RFC 7344 section 6.1)
	}
	p.number++
	n := p.number
	for _, s := range p.servers {
		w.after(p.late(w, p.spread), func() {
			if s.number < n {
				s.number, s.has = n, v.cds
				p.serve(w)
			}
		})
	}
}

// serve shows resolvers what the servers have. Sites that stand behind a server
// unseen lag as far as the policy allows for.
func (p *parent) serve(w *world) {
	fresh := false
	for i, s := range p.servers {
		c := content{keys: w.caches.indexes(s.has)}
		fresh = w.caches.ds.serve(i, w.now, w.setup.Policy.ParentPropagation, p.ttl, c) || fresh
	}
	if !w.policy.Insecure && p.number > p.left && !slices.ContainsFunc(p.servers, func(s *parentServer) bool {
		return s.number < p.number || len(s.has) == 0
	}) {
		w.caches.secured = true
	}
	if fresh {
		w.judge()
	}
	p.vain = 0
	p.plan(w)
}

// eager is how many looks in a row may show nothing new before there is but
// one a day.
const eager = 48

// plan plans the next look at the servers. Looks at a parent that nothing is
// expected of are left out.
func (p *parent) plan(w *world) {
	if !p.planned.IsZero() {
		return
	}
	every := p.look
	if p.vain > eager {
		every = max(every, 24*time.Hour)
	}
	since := w.now.Sub(w.setup.Start.Add(p.phase))
	p.planned = w.setup.Start.Add(p.phase + (since/every+1)*every)
	w.at(p.planned, func() {
		p.planned = time.Time{}
		p.vain++
		p.observe(w)
		for _, q := range w.processes {
			w.wakeAt(q, w.now)
		}
		if w.delegating() {
			p.plan(w)
		}
	})
}

// delegating reports whether a DS is on its way.
func (w *world) delegating() bool {
	return slices.ContainsFunc(w.set.Keys, func(k rollover.Key) bool {
		s := k.Status(rollover.DS)
		return s.Pending || s.State == rollover.Rumoured || s.State == rollover.Unretentive
	})
}

// observe asks all servers.
func (p *parent) observe(w *world) {
	now := w.clock.keys(w.now)
	o := rollover.Observation{At: now, Zone: p.zone, Next: now.Add(p.look)}
	for _, s := range p.servers {
		seen := rollover.Server{Name: s.name}
		if w.now.Before(s.blind) {
			seen.Err = "no answer"
		} else {
			seen.Keys = slices.Clone(s.has)
			o.TTL = p.ttl
		}
		o.Servers = append(o.Servers, seen)
	}
	p.observation, p.observed = o, w.now
}

// seen is the last look. It is not older than looks are apart.
func (p *parent) seen(w *world) rollover.Observation {
	if w.now.Sub(p.observed) >= p.look {
		p.observe(w)
	}
	return p.observation
}

// agree reports whether every server has, or lacks, the DS of a key.
func (p *parent) agree(id string, has bool) bool {
	return !slices.ContainsFunc(p.servers, func(s *parentServer) bool { return slices.Contains(s.has, id) != has })
}
