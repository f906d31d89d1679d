//go:build linux

package main

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/coredns/coredns/plugin/file"
	"github.com/miekg/dns"
)

// The figures are those of the zones that the peers' figures were taken with.
func TestSignatures_AreThoseOfThePublishedFigures(t *testing.T) {
	for _, tc := range []struct {
		zone   Zone
		denial Denial
		want   int
	}{
		{Medium, NSEC, 318_508},
		{Medium, NSEC3, 322_509},
		{Large, NSEC, 1_050_008},
		{Large, NSEC3, 1_050_009},
		{Large, OptOut, 100_009},
	} {
		if got := tc.zone.Signatures(tc.denial); got != tc.want {
			t.Errorf("zone %s with %s: %d signatures, want %d", tc.zone.Name, tc.denial, got, tc.want)
		}
	}
}

func TestWrite_IsAZoneThatFileLoads(t *testing.T) {
	var b bytes.Buffer
	if err := Small.Write(&b, Edition{Serial: 1}); err != nil {
		t.Fatal(err)
	}
	z, err := file.Parse(&b, Small.Origin, "small", -1)
	if err != nil {
		t.Fatal(err)
	}
	if z.SOA == nil || z.SOA.Serial != 1 {
		t.Errorf("SOA is %v, want serial 1", z.SOA)
	}
}

func TestWrite_RepeatsItself(t *testing.T) {
	var a, b bytes.Buffer
	Small.Write(&a, Edition{Serial: 7})
	Small.Write(&b, Edition{Serial: 7})
	if !bytes.Equal(a.Bytes(), b.Bytes()) {
		t.Error("two files of the same edition differ")
	}
}

func TestWrite_OneEditChangesOneHostAndTheSerial(t *testing.T) {
	var a, b bytes.Buffer
	Small.Write(&a, Edition{Serial: 1})
	Small.Write(&b, Edition{Serial: 2, Edited: 1})
	old, edited := strings.Split(a.String(), "\n"), strings.Split(b.String(), "\n")
	var changed []string
	for i := range old {
		if old[i] != edited[i] {
			changed = append(changed, edited[i])
		}
	}
	if len(old) != len(edited) || len(changed) != 2 ||
		!strings.Contains(changed[0], "SOA") || !strings.HasPrefix(changed[1], Small.Host(0)+" A ") {
		t.Errorf("changed lines %q, want the SOA and one address of %s", changed, Small.Host(0))
	}
}

// names collects the owners and types of a zone file.
func names(t *testing.T, z Zone) map[string]map[uint16]bool {
	t.Helper()
	var b bytes.Buffer
	if err := z.Write(&b, Edition{Serial: 1}); err != nil {
		t.Fatal(err)
	}
	all := make(map[string]map[uint16]bool)
	p := dns.NewZoneParser(&b, "", "")
	for rr, ok := p.Next(); ok; rr, ok = p.Next() {
		h := rr.Header()
		if all[h.Name] == nil {
			all[h.Name] = make(map[uint16]bool)
		}
		all[h.Name][h.Rrtype] = true
	}
	if p.Err() != nil {
		t.Fatal(p.Err())
	}
	return all
}

func TestQuestion_MeetsItsKind(t *testing.T) {
	all := names(t, Small)
	for _, k := range Small.Kinds() {
		for n := range 500 {
			name, typ := Small.Question(k, n)
			owner, parent := all[name], all[name[strings.Index(name, ".")+1:]]
			wild := all["*"+name[strings.Index(name, "."):]]
			var ok bool
			switch k {
			case Positive:
				ok = owner[dns.TypeA] && typ == "A"
			case NoData:
				ok = len(owner) > 0 && !owner[dns.TypeMX] && !owner[dns.TypeCNAME] && typ == "MX"
			case NameError:
				ok = owner == nil && wild == nil && strings.Count(name, ".") == 3
			case Wildcard:
				ok = owner == nil && wild[dns.TypeA]
			case SecureReferral:
				ok = owner == nil && parent[dns.TypeNS] && parent[dns.TypeDS]
			case InsecureReferral:
				ok = owner == nil && parent[dns.TypeNS] && !parent[dns.TypeDS]
			case NoDS:
				ok = owner[dns.TypeNS] && !owner[dns.TypeDS] && typ == "DS"
			default:
				ok = typ != ""
			}
			if !ok {
				t.Fatalf("question %d for %q: %s %s does not meet it", n, k, name, typ)
			}
		}
	}
}

func TestWriteQuestions_OneALine(t *testing.T) {
	var b bytes.Buffer
	if err := Small.WriteQuestions(&b, Mixed, 1000); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(b.String(), "\n"); n != 1000 {
		t.Errorf("%d lines, want 1000", n)
	}
	if err := Large.Write(io.Discard, Edition{Serial: 1}); err != nil {
		t.Error(err)
	}
}
