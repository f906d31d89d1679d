package rollover

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/autosign-dns/autosign/plugin/policy"
)

// start is when every story begins.
var start = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

// world carries plans out as a driver does, with a parent that follows CDS.
type world struct {
	now     time.Time
	p       policy.Policy
	set     KeySet
	pool    []Candidate
	made    int
	signers []string  // of the newest generation
	since   time.Time // of the newest generation
	ends    time.Time // when all is signed by it
	served  time.Time // since when what is decided is served; zero: it is not
	shape   string    // of what is served
	shown   time.Time // since when
	freeze  string

	mute   bool // nothing is served any more
	maxTTL uint32
	dsTTL  uint32 // at the parent; 0: that of the policy

	servers []*server
	lookGap time.Duration
	looked  time.Time
	seen    Observation
	ignores bool // the parent does not follow CDS
	log     []string
	watch   func(before KeySet, f Facts, plan Plan) // sees each step
}

// server is a server of the parent.
type server struct {
	name  string
	delay time.Duration
	keys  []string
	want  []string
	at    time.Time // when want takes effect
	down  bool
}

func newWorld() *world {
	w := &world{now: start, p: policy.Default(), maxTTL: 3600, lookGap: time.Hour}
	w.servers = []*server{{name: "a.parent", delay: time.Hour}, {name: "b.parent", delay: 2 * time.Hour}}
	return w
}

// facts gathers what a step is told.
func (w *world) facts() Facts {
	f := Facts{Served: w.served, Freeze: w.freeze}
	for _, c := range w.pool { // what the state names is in no pool
		if w.set.Key(c.ID) == nil {
			f.Pool = append(f.Pool, c)
		}
	}
	if !w.ends.After(w.now) {
		f.Complete = w.ends
	}
	if !w.p.NoParent {
		f.Parent = w.seen
	}
	return f
}

// look asks the parent's servers.
func (w *world) look() {
	w.looked = w.now
	w.seen = Observation{At: w.now, Zone: "org.", TTL: w.dsTTL, Next: w.now.Add(w.lookGap)}
	if w.dsTTL == 0 {
		w.seen.TTL = uint32(w.p.DSTTL / time.Second)
	}
	for _, s := range w.servers {
		o := Server{Name: s.name}
		if s.down {
			o.Err = "timeout"
		} else {
			o.Keys = slices.Clone(s.keys)
		}
		w.seen.Servers = append(w.seen.Servers, o)
	}
}

// parent has the parent's servers take what is asked of them.
func (w *world) parent() {
	for _, s := range w.servers {
		if s.want != nil && !s.at.After(w.now) {
			s.keys, s.want = s.want, nil
		}
		if w.ignores || w.p.NoParent || w.set.Pending() {
			continue
		}
		want := append([]string{}, w.set.Delegated()...)
		if len(want) == 0 && !w.set.Withdrawn() || slices.Equal(want, s.keys) || s.want != nil {
			continue
		}
		s.want, s.at = want, w.now.Add(s.delay)
	}
}

// step takes steps until nothing is left to do at this moment.
func (w *world) step() Plan {
	for range 20 {
		w.parent()
		if !w.now.Before(w.looked.Add(w.lookGap)) {
			w.look()
		}
		f := w.facts()
		plan := Step(w.now, w.p, f, w.set)
		if w.watch != nil {
			w.watch(w.set, f, plan)
		}
		for _, m := range plan.Moves {
			w.note(m)
		}
		for _, k := range w.set.Keys {
			if plan.KeySet.Key(k.ID) == nil {
				w.destroy(k.ID)
			}
		}
		w.set = plan.KeySet
		done := !plan.Changed && len(plan.Make) == 0
		for _, k := range plan.Make {
			w.create(k)
		}
		w.publish()
		if done && !w.set.Pending() {
			return plan
		}
		if done && (w.mute || w.freeze != "") {
			return plan
		}
	}
	panic("steps do not come to an end")
}

func (w *world) destroy(id string) {
	w.log = append(w.log, fmt.Sprintf("%s destroy %s", w.at(), id))
	w.pool = slices.DeleteFunc(w.pool, func(c Candidate) bool { return c.ID == id })
}

func (w *world) create(k Wanted) {
	w.made++
	w.pool = append(w.pool, Candidate{ID: fmt.Sprintf("%s-%d", k.Role, w.made), Role: k.Role, Algorithm: k.Algorithm,
		Bits: k.Bits, Tag: uint16(w.made), Created: w.now})
}

// publish serves the zone as the key set says.
func (w *world) publish() {
	if w.mute {
		w.served = time.Time{}
		return
	}
	signers := w.set.ZoneSigners()
	if !slices.Equal(signers, w.signers) {
		w.signers, w.since, w.ends = signers, w.now, w.now.Add(w.dsgn())
		if w.set.Urgent || len(signers) == 0 {
			w.ends = w.now
		}
	} else if w.set.Urgent && w.ends.After(w.now) {
		w.ends = w.now
	}
	w.set.Urgent = false
	if shape := fmt.Sprint(w.set.Published(), w.set.DNSKEYSigners(), signers, w.set.Delegated(), w.set.Withdrawn()); shape != w.shape {
		w.shape, w.shown = shape, w.now
	}
	w.served = w.shown
	w.set.DNSKEYTTL.Serve(w.now, w.p.DNSKEYTTL)
	w.set.ZoneTTL.Serve(w.now, w.maxTTL)
	for _, id := range signers {
		k := w.set.Key(id)
		k.Exposure.MaxTTL = max(k.Exposure.MaxTTL, w.maxTTL)
	}
}

func (w *world) dsgn() time.Duration {
	return policy.Period(w.p.Validity, w.p.Refresh) + policy.SlotWidth(w.p.Validity, w.p.Refresh)
}

// run lets time pass.
func (w *world) run(d time.Duration) {
	end := w.now.Add(d)
	for {
		plan := w.step()
		next := end
		for _, t := range append(w.events(), plan.Wake) {
			if t.After(w.now) && t.Before(next) {
				next = t
			}
		}
		w.now = next
		if !next.Before(end) {
			w.step()
			return
		}
	}
}

func (w *world) events() (list []time.Time) {
	for _, s := range w.servers {
		if s.want != nil {
			list = append(list, s.at)
		}
	}
	return append(list, w.ends, w.looked.Add(w.lookGap))
}

func (w *world) note(m Move) {
	line := fmt.Sprintf("%s %s", w.at(), m.Key)
	if m.Record != "key" {
		line += " " + m.Record
	}
	if m.From != "" && m.Record == "key" {
		line += " from " + m.From
	}
	w.log = append(w.log, fmt.Sprintf("%s -> %s", line, m.To))
}

// at writes the time since the start.
func (w *world) at() string {
	d := w.now.Sub(start)
	return fmt.Sprintf("%4dd %02d:%02d", int(d.Hours())/24, int(d.Hours())%24, int(d.Minutes())%60)
}

// explain lists the reasons of a plan.
func (w *world) explain() (lines []string) {
	for _, r := range w.step().Reasons {
		if r.Waiting == "" && r.Do == "" {
			continue
		}
		who := r.Key
		if who == "" {
			who = r.Role.String()
		} else {
			who += " " + r.Record.String() + " " + r.State.String()
		}
		line := who
		if r.Next != r.State {
			line += ", then " + r.Next.String()
		}
		if !r.When.IsZero() {
			line += " at " + strings.TrimSuffix(r.When.Format("2006-01-02 15:04"), "Z")
		}
		if r.Waiting != "" {
			line += ": waits for " + r.Waiting
		}
		if r.Do != "" {
			line += "; to do: " + r.Do
		}
		lines = append(lines, line)
	}
	return lines
}
