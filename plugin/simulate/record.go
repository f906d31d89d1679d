package simulate

import (
	"github.com/autosign-dns/autosign/plugin/rollover"
)

var recordNames = [...]rollover.Record{rollover.DNSKEY, rollover.KRRSIG, rollover.ZRRSIG, rollover.DS}

// record takes what a plan changes into the history.
func (w *world) record(plan rollover.Plan) {
	for i := range plan.KeySet.Keys {
		w.recordKey(&plan.KeySet.Keys[i])
	}
	for _, m := range plan.Moves {
		t := Transition{At: w.now, Record: m.Record, From: m.From, To: m.To, Why: m.Why}
		if k := w.names[m.Key]; k != nil {
			t.Key, t.Tag = k.Name, k.Tag
		}
		w.history.Transitions = append(w.history.Transitions, t)
	}
	w.pool = unnamed(w.pool, &plan.KeySet)
	w.beginTrust(&plan.KeySet)
}

// unnamed returns the candidates that a key set does not name.
func unnamed(pool []rollover.Candidate, s *rollover.KeySet) (left []rollover.Candidate) {
	for _, c := range pool {
		if s.Key(c.ID) == nil {
			left = append(left, c)
		}
	}
	return left
}

// recordKey brings the spans of a key up to date.
func (w *world) recordKey(k *rollover.Key) {
	known := w.names[k.ID]
	if known == nil {
		known = &Key{ID: k.ID, Role: k.Role, Algorithm: k.Algorithm, Tag: k.Tag, Spans: map[string][]Span{}}
		known.Name = w.keyName(k)
		w.names[k.ID] = known
		w.history.Keys = append(w.history.Keys, known)
		w.caches.know(k.ID, known.Name, k.Tag, k.Algorithm)
	}
	for _, r := range recordNames {
		state, spans := k.Status(r).State, known.Spans[r.String()]
		n := len(spans)
		open := n > 0 && spans[n-1].To.IsZero()
		if open && spans[n-1].State == state || !open && state == rollover.Hidden {
			continue
		}
		if open {
			spans[n-1].To = w.now
		}
		if state != rollover.Hidden {
			spans = append(spans, Span{State: state, From: w.now})
		}
		known.Spans[r.String()] = spans
	}
}

// beginTrust hands out trust anchors to validators that have none, when a zone
// without a parent has one.
func (w *world) beginTrust(s *rollover.KeySet) {
	if w.anchors == nil || !w.anchors.wanting() {
		return
	}
	for i := range s.Keys {
		if s.Keys[i].Status(rollover.DS).State == rollover.Omnipresent {
			w.hand(w.caches.indexes(s.Delegated()))
			return
		}
	}
}

// recordDenial notes how the version that is served from now on proves absence.
func (w *world) recordDenial(v version) {
	list := w.history.Denial
	n := len(list)
	if n > 0 && list[n-1].To.IsZero() {
		if list[n-1].Text == v.denial {
			return
		}
		list[n-1].To = w.now
	}
	if v.denial != "" {
		w.history.Denial = append(list, Denial{Text: v.denial, From: w.now})
	}
}
