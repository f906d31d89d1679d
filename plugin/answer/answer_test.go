package answer

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/autosign-dns/autosign/plugin/zone"
)

// ask asks a signed zone and unpacks the response.
func ask(t testing.TB, s *zone.Signed, q *Query) (*dns.Msg, Result) {
	t.Helper()
	wire, res := Append(nil, s, q)
	m := new(dns.Msg)
	if err := m.Unpack(wire); err != nil {
		t.Fatalf("%s: the response does not unpack: %v\n%x", question(q), err, wire)
	}
	if m.Rcode != res.Rcode || m.Truncated != res.Truncated {
		t.Fatalf("%s: the result %+v is not what the message says: %v", question(q), res, m)
	}
	if size := q.MaxSize; size > 0 && len(wire) > max(size, 512) {
		t.Fatalf("%s: %d octets where %d are the most", question(q), len(wire), size)
	}
	return m, res
}

// query returns a query with DO for "NAME TYPE".
func query(t testing.TB, text string) *Query {
	t.Helper()
	name, typ, _ := strings.Cut(text, " ")
	qtype, ok := typeNumber(typ)
	if !ok {
		t.Fatalf("no type %q", typ)
	}
	return &Query{ID: 4711, Name: wire(t, name), Type: qtype, Class: dns.ClassINET, EDNS: true, DO: true, UDPSize: 1232, MaxSize: 65535, Now: testNow}
}

func question(q *Query) string {
	name, _, _ := dns.UnpackDomainName(q.Name, 0)
	return name + " " + dns.TypeToString[q.Type]
}

// brief describes the RRsets of a section, one a line: owner, type, RDATA with
// the RRSIGs as "+N". Hashed owners and times are left out.
func brief(rrs []dns.RR) []string {
	type group struct{ owner, typ string }
	var order []group
	data := map[group][]string{}
	sigs := map[group]int{}
	for _, rr := range rrs {
		h := rr.Header()
		g := group{h.Name, dns.TypeToString[h.Rrtype]}
		switch rr := rr.(type) {
		case *dns.OPT:
			continue
		case *dns.RRSIG:
			g.typ = dns.TypeToString[rr.TypeCovered]
			sigs[g]++
			if _, ok := data[g]; !ok {
				data[g] = nil
				order = append(order, g)
			}
			continue
		case *dns.NSEC:
			data[g] = append(data[g], "-> "+rr.NextDomain)
		case *dns.NSEC3:
			data[g] = append(data[g], "")
		case *dns.SOA:
			data[g] = append(data[g], "")
		case *dns.DNSKEY:
			data[g] = append(data[g], "")
		default:
			data[g] = append(data[g], strings.TrimPrefix(rr.String(), h.String()))
		}
		if !slices.Contains(order, g) {
			order = append(order, g)
		}
	}
	var out []string
	for _, g := range order {
		line := strings.TrimSpace(g.owner + " " + g.typ + " " + strings.Join(data[g], " "))
		if sigs[g] > 0 {
			line += " +"
		}
		out = append(out, line)
	}
	return out
}

// typeNumber returns the number of a type, by name or as TYPEn.
func typeNumber(text string) (uint16, bool) {
	if n, ok := dns.StringToType[text]; ok {
		return n, true
	}
	n, err := strconv.ParseUint(strings.TrimPrefix(text, "TYPE"), 10, 16)
	return uint16(n), err == nil
}
