package parent

import (
	"errors"
	"fmt"
	"slices"

	"github.com/miekg/dns"
)

// judge returns the DS records that an answer proves to be there, or an error
// when it proves nothing. The parent is the name of the zone that the server is
// asked as a server of; empty: not known, and a resolver may answer too.
func judge(m *dns.Msg, zone, parent string) ([]DS, error) {
	if err := judgeSource(m, parent == ""); err != nil {
		return nil, err
	}
	var list []DS
	for _, rr := range m.Answer {
		ds, ok := rr.(*dns.DS)
		if !ok || !at(rr, zone) {
			continue
		}
		d, err := dsOf(ds)
		if err != nil {
			return nil, err
		}
		list = append(list, d)
	}
	if len(list) == 0 {
		return nil, judgeAbsence(m, zone, parent)
	}
	slices.SortFunc(list, DS.compare)
	return slices.CompactFunc(list, DS.Equal), nil
}

// judgeSource reports why an answer says nothing, whatever is in it.
func judgeSource(m *dns.Msg, resolver bool) error {
	switch {
	case m.Rcode != dns.RcodeSuccess && m.Rcode != dns.RcodeNameError:
		return fmt.Errorf("answers %s", dns.RcodeToString[m.Rcode])
	case m.Authoritative || resolver && m.RecursionAvailable:
		return nil
	case len(m.Answer) == 0 && slices.ContainsFunc(m.Ns, func(rr dns.RR) bool { return rr.Header().Rrtype == dns.TypeNS }):
		return errors.New("only refers to other servers")
	}
	return errors.New("answers without authority")
}

// judgeAbsence reports why an answer without DS records does not mean that there
// are none. That there are none is said by a zone above, and shown by its SOA
// (RFC 2308 section 2). The zone itself would say so too, and so do forwarders
// that do not know the type; neither knows.
func judgeAbsence(m *dns.Msg, zone, parent string) error {
	for _, rr := range m.Ns {
		if _, ok := rr.(*dns.SOA); !ok {
			continue
		}
		switch owner := dns.CanonicalName(rr.Header().Name); {
		case owner == zone:
			return errors.New("is a server of the zone itself and does not know its parent")
		case parent != "" && owner != parent:
			return fmt.Errorf("answers from %s and not from %s", owner, parent)
		case dns.IsSubDomain(owner, zone):
			return nil
		}
	}
	return errors.New("answers without DS and without the SOA of a zone above")
}

// at reports whether a record is one of the name, and of the Internet.
func at(rr dns.RR, name string) bool {
	return rr.Header().Class == dns.ClassINET && dns.CanonicalName(rr.Header().Name) == name
}
