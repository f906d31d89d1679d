package test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// TestKeys_OfBINDAreAdopted gives autosign keys that dnssec-keygen made and
// wants them used, and no others made.
func TestKeys_OfBINDAreAdopted(t *testing.T) {
	for _, a := range algorithms {
		t.Run(a.name, func(t *testing.T) {
			t.Parallel()
			const zone = "example.org."
			dir := t.TempDir()
			keys := filepath.Join(dir, "keys")
			size := []string{"-a", a.name}
			if strings.HasPrefix(a.name, "RSA") {
				size = append(size, "-b", "2048")
			}
			ksk := keygen(t, keys, zone, append(size, "-f", "KSK")...)
			zsk := keygen(t, keys, zone, size...)
			before := files(t, keys, "K*")
			write(t, dir, map[string]string{"db": plain(1)})
			// The algorithm of new keys is another one: these two are enough.
			s := start(t, dir, block(zone, "db"))
			s.signed(t, zone)
			for _, k := range dnskeys(t, s.addr, zone) {
				text, err := os.ReadFile(filepath.Join(keys, map[bool]string{true: ksk, false: zsk}[k.Flags&dns.SEP != 0]+".key"))
				if err != nil || !strings.Contains(strings.ReplaceAll(string(text), " ", ""), k.PublicKey) {
					t.Errorf("%v is none of BIND's keys: %v", k, err)
				}
			}
			verifyFile(t, zone, axfr(t, s.addr, zone))
			if after := files(t, keys, "K*"); strings.Join(after, " ") != strings.Join(before, " ") {
				t.Errorf("key files before: %q, after: %q", before, after)
			}
		})
	}
}

// TestKeys_OfOursAreReadByBIND: dnssec-dsfromkey reads the public files, and
// dnssec-signzone signs with the private ones.
func TestKeys_OfOursAreReadByBIND(t *testing.T) {
	for _, a := range algorithms {
		t.Run(a.name, func(t *testing.T) {
			t.Parallel()
			const zone = "example.org."
			dir := t.TempDir()
			write(t, dir, map[string]string{"db": plain(1)})
			s := start(t, dir, block(zone, "db", "algorithm "+a.name))
			s.signed(t, zone)
			keys := filepath.Join(dir, "keys")
			for _, k := range files(t, keys, "K*.key") {
				text, err := os.ReadFile(filepath.Join(keys, k))
				if err != nil || !strings.Contains(string(text), " 257 ") {
					continue
				}
				ds, ok := output(t, keys, "dnssec-dsfromkey", "-2", k)
				if want := strings.Fields(ds); !ok || !strings.Contains(dsset(t, dir, zone), want[len(want)-1]) {
					t.Errorf("dnssec-dsfromkey: %s, ours:\n%s", ds, dsset(t, dir, zone))
				}
			}
			write(t, dir, map[string]string{"again": plain(2)})
			out, ok := output(t, dir, "dnssec-signzone", "-q", "-S", "-K", "keys", "-d", ".", "-o", zone, "-f", "again.signed", "again")
			if !ok {
				t.Fatalf("dnssec-signzone: %s", out)
			}
			verifyFile(t, zone, filepath.Join(dir, "again.signed"))
		})
	}
}

// TestKeys_ZoneSigningKeyAlone leaves the DNSKEY set and its signatures as the
// zone file has them, when the key signing key is elsewhere.
func TestKeys_ZoneSigningKeyAlone(t *testing.T) {
	t.Parallel()
	const zone = "example.org."
	dir := t.TempDir()
	keys, offline := filepath.Join(dir, "keys"), filepath.Join(dir, "offline")
	zsk := keygen(t, offline, zone, "-a", "ECDSAP256SHA256")
	keygen(t, offline, zone, "-a", "ECDSAP256SHA256", "-f", "KSK")
	// The ceremony: the set is signed where the key signing key lies.
	write(t, offline, map[string]string{"db": plain(1)})
	if out, ok := output(t, offline, "dnssec-signzone", "-q", "-S", "-x", "-o", zone, "-f", "signed", "db"); !ok {
		t.Fatalf("dnssec-signzone: %s", out)
	}
	presigned, set := "", 0
	for _, rr := range parse(t, filepath.Join(offline, "signed")) {
		sig, isSig := rr.(*dns.RRSIG)
		if rr.Header().Rrtype == dns.TypeDNSKEY || isSig && sig.TypeCovered == dns.TypeDNSKEY {
			presigned += rr.String() + "\n"
			set++
		}
	}
	for _, ending := range []string{".key", ".private"} {
		text, err := os.ReadFile(filepath.Join(offline, zsk+ending))
		if err != nil {
			t.Fatal(err)
		}
		write(t, keys, map[string]string{zsk + ending: string(text)})
		if err := os.Chmod(filepath.Join(keys, zsk+ending), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(t, dir, map[string]string{"db": plain(1) + presigned})
	s := start(t, dir, block(zone, "db"))
	s.signed(t, zone)
	r := ask(t, s.addr, zone, dns.TypeDNSKEY, true)
	for _, rr := range r.Answer {
		if !strings.Contains(presigned, rr.String()) {
			t.Errorf("not in the zone file: %v", rr)
		}
	}
	if len(r.Answer) != set {
		t.Errorf("%d records, not %d: %v", len(r.Answer), set, r)
	}
	verifyFile(t, zone, axfr(t, s.addr, zone), "-x")
	if got, out := newDelv(t, s.addr, zone).ask(t, "www."+zone, "A"); got != secure {
		t.Errorf("delv says %s\n%s", got, out)
	}
}

// files lists what a pattern finds in a folder.
func files(t *testing.T, dir, pattern string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range found {
		names = append(names, filepath.Base(f))
	}
	return names
}
