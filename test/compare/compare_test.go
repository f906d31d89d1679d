//go:build linux

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

func cds(t *testing.T, text string) *dns.CDS {
	t.Helper()
	rr, err := dns.NewRR("zsk.test. 20 IN CDS " + text)
	if err != nil {
		t.Fatal(err)
	}
	return rr.(*dns.CDS)
}

const digest = " 13 2 0000000000000000000000000000000000000000000000000000000000000000"

func TestParent_TakesTheCDSAfterTheRegistrationDelay(t *testing.T) {
	p, start := newParent(), time.Now()
	old, new := cds(t, "1"+digest), cds(t, "2"+digest)
	for _, step := range []struct {
		after time.Duration
		cds   []*dns.CDS
		want  int // DS records
	}{
		{0, []*dns.CDS{old}, 0},
		{9 * time.Second, []*dns.CDS{old}, 0},
		{10 * time.Second, []*dns.CDS{old}, 1},
		{11 * time.Second, nil, 1},
		{20 * time.Second, []*dns.CDS{old, new}, 1},
		{29 * time.Second, []*dns.CDS{new}, 1}, // asked for something else: the delay begins again
		{30 * time.Second, []*dns.CDS{old, new}, 1},
		{40 * time.Second, []*dns.CDS{old, new}, 2},
		{41 * time.Second, []*dns.CDS{cds(t, "0 0 0 00")}, 2},
		{51 * time.Second, []*dns.CDS{cds(t, "0 0 0 00")}, 0},
	} {
		p.Hear(start.Add(step.after), "zsk.test.", step.cds)
		if got := len(p.DS("zsk.test.")); got != step.want {
			t.Errorf("after %s: %d DS records, want %d", step.after, got, step.want)
		}
	}
}

func TestTables_CountFromTheFirstChange(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"one": "1.0  zsk  + DNSKEY  ZSK 1\n60.0  all  rollovers begin\n70.0  zsk  + DNSKEY  ZSK 2\n100.0  zsk  - DNSKEY  ZSK 1\n",
		"two": "60.0  all  rollovers begin\n61.0  zsk  + DNSKEY  ZSK 2\n",
	} {
		file := filepath.Join(dir, name+".txt")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var out bytes.Buffer
	if err := printTables(&out, []string{filepath.Join(dir, "one.txt"), filepath.Join(dir, "two.txt")}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"| | one | two |", "| + DNSKEY ZSK 2 | 0 | 0 |", "| - DNSKEY ZSK 1 | 30 | - |"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in\n%s", want, out.String())
		}
	}
}
