package simulate

import (
	"fmt"
	"slices"
	"time"

	"github.com/autosign-dns/autosign/plugin/policy"
	"github.com/autosign-dns/autosign/plugin/rollover"
)

// event has something happen, and notes it.
func (w *world) event(e Event) {
	text := e.Kind.String()
	switch e.Kind {
	case Roll, Emergency, Rest, Delete, Remove:
		text += " " + e.Role.String()
	case SetTTL, SetParentTTL:
		text += ": " + policy.FormatDuration(time.Duration(e.TTL)*time.Second)
	case SetPolicy:
		if e.Text != "" {
			text += ": " + e.Text
		}
	}
	if e.For > 0 {
		text += ", " + policy.FormatDuration(e.For)
	}
	w.mark(text)
	if e.Kind <= Trust {
		w.command(e)
	} else {
		w.trouble(e)
	}
	w.wakeAll()
}

func (w *world) mark(text string) {
	w.history.Marks = append(w.history.Marks, Mark{At: w.now, Text: text})
}

// command does what an operator asks for. What the commands refuse is noted.
func (w *world) command(e Event) {
	o := w.ordered()
	o.Override = e.Override
	var err error
	switch e.Kind {
	case Roll, Emergency:
		_, err = w.set.Roll(o, e.Role, e.Kind == Emergency)
	case Hold:
		_, err = w.set.HoldAll(o)
	case Resume:
		_, err = w.set.Resume(o)
	case Confirm:
		err = w.confirm(o)
	case Rest:
		err = w.rest(o, e)
	case Delete:
		if id := w.inService(e.Role); id != "" {
			_, err = w.set.ScheduleDeletion(o, id, o.At.Add(e.For))
		}
	case Remove:
		err = w.remove(o, e.Role)
	case SetPolicy:
		w.policy = *e.Policy
		if w.policy.Insecure {
			w.caches.secured = false
			if w.parent != nil {
				w.parent.left = w.parent.number
			}
		}
	case SetTTL:
		w.zoneTTL = e.TTL
	case Trust:
		w.trust()
	}
	if err != nil {
		m := &w.history.Marks[len(w.history.Marks)-1]
		m.Text = fmt.Sprintf("%s: %v", m.Text, err)
	}
}

// ordered is an order given now.
func (w *world) ordered() rollover.Order {
	return rollover.Order{At: w.clock.keys(w.now), Policy: w.policy, Facts: w.facts(w.processes[0])}
}

// remove removes the keys of a role of which nothing is left. If there is none
// it returns why the oldest is not removed.
func (w *world) remove(o rollover.Order, role policy.Role) (refused error) {
	before := slices.Clone(w.set.Keys)
	for _, k := range before {
		if k.Role != role {
			continue
		}
		if _, err := w.set.Remove(o, k.ID); err != nil && refused == nil {
			refused = err
		}
	}
	if len(w.set.Keys) < len(before) {
		return nil
	}
	return refused
}

func (w *world) inService(role policy.Role) string {
	i := slices.IndexFunc(w.set.Keys, func(k rollover.Key) bool { return k.Role == role && k.InService() })
	if i < 0 {
		return ""
	}
	return w.set.Keys[i].ID
}

// rest has a key be published only for a while. If the policy has changed when
// that is over, the key is not used again, but deleted.
func (w *world) rest(o rollover.Order, e Event) error {
	id := w.inService(e.Role)
	if id == "" {
		return nil
	}
	_, err := w.set.DNSKEYOnly(o, id, true)
	if err != nil {
		return err
	}
	w.after(e.For, func() {
		o := w.ordered()
		if k := w.set.Key(id); k != nil && (k.Algorithm != w.policy.Algorithm || !slices.Contains(w.policy.Roles(), k.Role)) {
			_, err = w.set.ScheduleDeletion(o, id, o.At)
		} else {
			_, err = w.set.DNSKEYOnly(o, id, false)
		}
		if err != nil {
			w.mark("end of DNSKEY only: " + err.Error())
		}
		w.wakeAll()
	})
	return nil
}

// confirm says of every DS that is on its way what is true of it. An operator
// without a parent first hands out the trust anchors.
func (w *world) confirm(o rollover.Order) error {
	if w.anchors != nil {
		w.trust()
	}
	for i := range w.set.Keys {
		k := &w.set.Keys[i]
		state := k.Status(rollover.DS).State
		gone := state == rollover.Unretentive
		if !gone && state != rollover.Rumoured || w.parent != nil && !w.parent.agree(k.ID, !gone) {
			continue
		}
		if _, err := w.set.ConfirmDS(o, k.ID, gone); err != nil {
			return err
		}
	}
	return nil
}

// trust gives validators the keys that are to be trust anchors.
func (w *world) trust() {
	if w.anchors != nil {
		w.hand(w.caches.indexes(w.set.Delegated()))
		w.judge()
	}
}

// trouble is what happens to a server or its surroundings.
func (w *world) trouble(e Event) {
	until := w.now.Add(e.For)
	switch e.Kind {
	case Jump:
		was := w.clock.believed
		if believed := w.clock.jump(w.now, e.For); believed.After(w.now) {
			w.at(believed, w.believe)
		} else {
			w.jumped(w.clock.believed - was)
		}
	case Stop:
		w.stop(w.processes[w.rng.next()%uint64(len(w.processes))], until)
	case FailStore:
		w.noStore = maxTime(w.noStore, until)
	case FailPublish:
		w.noPublish = maxTime(w.noPublish, until)
	case FailKeys:
		w.noKeys = maxTime(w.noKeys, until)
	case Idle, Blind, SetParentTTL:
		if w.parent != nil {
			w.parentTrouble(e, until)
		}
	}
}

func (w *world) parentTrouble(e Event, until time.Time) {
	switch e.Kind {
	case Idle:
		w.parent.idle = maxTime(w.parent.idle, until)
	case SetParentTTL:
		w.parent.ttl = e.TTL
		w.parent.serve(w)
	case Blind: // some of the servers, or all
		n := 1 + w.rng.next()%uint64(len(w.parent.servers))
		for _, s := range w.parent.servers[:n] {
			s.blind = maxTime(s.blind, until)
		}
		w.parent.plan(w)
		w.at(until, func() { w.parent.plan(w) })
	}
}

// believe takes the clock for right again after it jumped ahead.
func (w *world) believe() {
	by, ok := w.clock.believe(w.now)
	if ok {
		w.jumped(by)
		w.wakeAll()
	}
}

// jumped has what counts time go on counting from where it was when the clock
// jumped ahead and is believed.
func (w *world) jumped(by time.Duration) {
	if by <= 0 {
		return
	}
	now := w.clock.keys(w.now)
	w.set.Jumped(now, by)
	if w.parent != nil && !w.parent.observation.At.IsZero() {
		at := &w.parent.observation.At
		*at = minTime(at.Add(by), now)
	}
	for _, p := range w.processes {
		p.served = minTime(p.served.Add(by), now)
		if !p.complete.IsZero() {
			p.complete = minTime(p.complete.Add(by), now)
		}
	}
}

func (w *world) wakeAll() {
	for _, p := range w.processes {
		w.wakeAt(p, w.now)
	}
}
