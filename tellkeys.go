package autosign

import (
	"strings"

	"github.com/autosign-dns/autosign/plugin/event"
	"github.com/autosign-dns/autosign/plugin/rollover"
)

// tellWaits tells what a zone's keys wait for that time alone does not bring: a
// DS at the parent, a roll under way before another. Each is told when it
// changes; the moment of the next look does not count.
func (s *signer) tellWaits(p rollover.Plan) {
	told := map[string]string{}
	for _, r := range p.Reasons {
		if r.Waiting == "" || !r.When.IsZero() || r.Key != "" && r.Record != rollover.DS {
			continue
		}
		what, record := r.Key, r.Record.String()
		if r.Key == "" {
			what, record = r.Role.String()+" roll", ""
		}
		lasting, _, _ := strings.Cut(r.Waiting, ", next look at ")
		told[what+record] = lasting
		if s.waits[what+record] != lasting {
			s.tell(event.Event{Kind: event.KeyWaits, Key: what, Tag: r.Tag, Record: record, Why: r.Waiting})
		}
	}
	s.waits = told
}

// tellLost warns of a DS that the parent had and has no more, though nobody asked
// for that: for the world the zone is insecure, or hangs on its other keys.
func (s *signer) tellLost(m rollover.Move, e event.Event) {
	if m.Record != rollover.DS.String() || m.From != rollover.Omnipresent.String() || m.To != rollover.Rumoured.String() {
		return
	}
	s.tell(event.Event{Kind: event.Warned, Key: e.Key, Tag: e.Tag,
		Why: "the DS of this key is gone from every server of the parent, and nobody asked for that: put it back"})
}
