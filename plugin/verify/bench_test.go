package verify

import (
	"fmt"
	"slices"
	"testing"

	"github.com/miekg/dns"
)

// bigZone is a zone of that many names, as a hoster has it: a third of them
// with two addresses, the rest with one and text.
func bigZone(b *testing.B, names int, set func(*testSigner)) []Record {
	b.Helper()
	s := newSigner()
	set(s)
	s.fake = true
	records := parseZone(b, "example.org.", "@ 3600 IN SOA ns a 1 2 3 4 300\n@ 3600 IN NS ns\nns 3600 IN A 192.0.2.1\n")
	for i := range names {
		owner := make([]byte, 255)
		n, err := dns.PackDomainName(fmt.Sprintf("host-%06d.example.org.", i), owner, 0, nil, false)
		if err != nil {
			b.Fatal(err)
		}
		owner = owner[:n]
		records = append(records, Record{owner, 1, 300, []byte{192, 0, byte(i >> 8), byte(i)}},
			Record{owner, 28, 300, append(make([]byte, 14), byte(i>>8), byte(i))})
		if i%3 == 0 {
			records = append(records, Record{owner, 1, 300, []byte{192, 1, byte(i >> 8), byte(i)}})
		} else {
			records = append(records, Record{owner, 16, 300, []byte("\x0aten octets")})
		}
	}
	return s.sign(records)
}

func nothing(Check) error { return nil }

// BenchmarkZoneStructure is everything but the signatures.
func BenchmarkZoneStructure(b *testing.B) {
	for _, kind := range []string{"NSEC", "NSEC3", "opt-out"} {
		b.Run(kind, func(b *testing.B) {
			signed := bigZone(b, 100_000, denials[kind])
			o := at()
			o.Signatures = nothing
			b.ReportAllocs()
			b.ReportMetric(float64(len(signed)), "records")
			for b.Loop() {
				if _, err := Zone(exampleOrg, slices.Values(signed), o); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkChanges is one changed address among 100,000 names, signatures
// verified: the name's and the SOA's.
func BenchmarkChanges(b *testing.B) {
	for _, kind := range []string{"NSEC", "NSEC3", "opt-out"} {
		b.Run(kind, func(b *testing.B) {
			s := newSigner()
			denials[kind](s)
			signed := bigZone(b, 100_000, denials[kind])
			old := newView(exampleOrg, signed)
			changed := old.names[50_000]
			now := slices.Clone(signed)
			for i, r := range now {
				if r.Type == 28 && slices.Equal(r.Owner, changed) {
					now[i].RData = append(slices.Clone(r.RData[:15]), r.RData[15]+1)
				}
				if r.Type == typeSOA {
					now[i].RData = slices.Clone(r.RData)
					now[i].RData[len(r.RData)-17]++
				}
			}
			m := &mutant{b, s, now}
			m.resign(changed, 28)
			m.resign(exampleOrg, typeSOA)
			u := Update{Old: old, New: newView(exampleOrg, m.records), Changed: slices.Values([][]byte{exampleOrg, changed})}
			b.ReportAllocs()
			for b.Loop() {
				if report, err := Changes(exampleOrg, u, at()); err != nil || report.Names != 2 {
					b.Fatal(report, err)
				}
			}
		})
	}
}
