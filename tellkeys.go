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
	why := "the DS of this key is gone from every server of the parent, and nobody asked for that: put it back"
	if s.leftLocal {
		why = "the DS of this key is gone from every server of the parent: this server has taken it away itself, when parent local " +
			"was no longer set. Put it back" + s.recordOf(e.Key)
	}
	s.tell(event.Event{Kind: event.Warned, Key: e.Key, Tag: e.Tag, Why: why})
}

// tellLeft warns that DS records go with `parent local`: the parent zone of this
// server has them from here alone.
func (s *signer) tellLeft(set *rollover.KeySet) {
	for _, id := range set.Delegated() {
		s.tell(event.Event{Kind: event.Warned, Key: id, Tag: set.Key(id).Tag,
			Why: "parent local is no longer set, and with it the DS of this key goes from the parent zone of this server: " +
				"unless it is to go, put it into that zone's file" + s.recordOf(id)})
	}
}

// recordOf returns the DS record of a key in zone-file form, behind a colon; empty
// if the key cannot be read now.
func (s *signer) recordOf(id string) string {
	for _, e := range s.box.known {
		if e.ID == id && e.Err == nil {
			return because(dsText(s.origin, plain(e.Key)))
		}
	}
	return ""
}
