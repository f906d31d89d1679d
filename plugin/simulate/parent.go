package simulate

import (
	"fmt"
	"slices"
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

	wanted version // of which the last change was seen
	number int     // of what the registry has
	idle   time.Time

	observation rollover.Observation
	phase       time.Duration // of the looks
	planned     time.Time     // of the next look; zero: nothing new can be seen
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
		p.zone = "parent."
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

// asked notes that another version of the zone is served. If it asks for other
// DS records, the registry will hear of it. Where the zone has no CDS a person
// passes on the same.
func (p *parent) asked(w *world) {
	v := version{cds: w.set.Delegated(), withdraw: w.set.Withdrawn()}
	if p.wanted.delegates(v) {
		return
	}
	p.wanted = v
	w.after(p.late(w, p.delay), func() { p.takeUp(w) })
}

// takeUp has the registry do what it is asked for at this moment.
func (p *parent) takeUp(w *world) {
	if w.now.Before(p.idle) {
		w.at(p.idle, func() { p.takeUp(w) })
		return
	}
	v := p.wanted
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
	if fresh {
		w.judge()
	}
	p.plan(w)
}

// plan plans the next look at the servers. Looks that could not show anything
// new are left out.
func (p *parent) plan(w *world) {
	if !p.planned.IsZero() {
		return
	}
	since := w.now.Sub(w.setup.Start.Add(p.phase))
	next := w.setup.Start.Add(p.phase + (since/p.look+1)*p.look)
	p.planned = next
	w.at(next, func() {
		p.planned = time.Time{}
		p.observe(w)
	})
}

// observe asks all servers, and wakes the processes with what they say.
func (p *parent) observe(w *world) {
	o := rollover.Observation{At: w.clock.keys(w.now), Zone: p.zone, Next: w.clock.keys(w.now).Add(p.look)}
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
	p.observation = o
	for _, q := range w.processes {
		w.wakeAt(q, w.now)
	}
}

// seen is the last look.
func (p *parent) seen() rollover.Observation { return p.observation }

// agree reports whether every server has, or lacks, the DS of a key.
func (p *parent) agree(id string, has bool) bool {
	return !slices.ContainsFunc(p.servers, func(s *parentServer) bool { return slices.Contains(s.has, id) != has })
}
