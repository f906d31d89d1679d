package test

import (
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/autosign-dns/autosign/plugin/verify"
)

// The tests below bear the numbers of the outages that they make impossible.

// TestP1_KeyFileReplacedByOneWithTheSameTag exchanges the files of the zone
// signing key for another pair with the same tag, as one store of .de's had in
// 2026: nothing signed by it may be published.
func TestP1_KeyFileReplacedByOneWithTheSameTag(t *testing.T) {
	t.Parallel()
	const zone = "example.org."
	dir := t.TempDir()
	write(t, dir, map[string]string{"db": plain(1)})
	s := start(t, dir, block(zone, "db", "algorithm ED25519"))
	serial := s.signed(t, zone)
	before := dnskeys(t, s.addr, zone)
	s.stop(t)
	for _, k := range before {
		if k.Flags == dns.ZONE {
			replaceByTwin(t, filepath.Join(dir, "keys"), k)
		}
	}
	write(t, dir, map[string]string{"db": plain(50, "new A 192.0.2.1")})
	s.launch(t)
	until(t, "a refusal", func() string {
		if !s.has("ERROR") {
			return "it wrote: " + s.wrote()
		}
		return ""
	})
	r := ask(t, s.addr, zone, dns.TypeDNSKEY, true)
	for _, rr := range r.Answer {
		if k, ok := rr.(*dns.DNSKEY); ok && k.PublicKey != before[0].PublicKey && k.PublicKey != before[1].PublicKey {
			t.Errorf("the twin is published: %v", k)
		}
	}
	if got, problem := soa(s.addr, zone); problem == "" {
		if got != serial {
			t.Errorf("serial %d was published after %d, without the zone signing key", got, serial)
		}
		verifyFile(t, zone, axfr(t, s.addr, zone))
	}
}

// replaceByTwin overwrites a key's files by another pair with the same tag.
func replaceByTwin(t *testing.T, dir string, k *dns.DNSKEY) {
	t.Helper()
	tag := k.KeyTag()
	base := filepath.Join(dir, fmt.Sprintf("K%s+%03d+%05d", k.Hdr.Name, k.Algorithm, tag))
	for range 2_000_000 { // one in 65,536 does
		public, private, err := ed25519.GenerateKey(nil)
		if err != nil {
			t.Fatal(err)
		}
		twin := dns.Copy(k).(*dns.DNSKEY)
		twin.PublicKey = base64.StdEncoding.EncodeToString(public)
		if twin.KeyTag() != tag || twin.PublicKey == k.PublicKey {
			continue
		}
		for name, text := range map[string]string{".key": twin.String() + "\n", ".private": twin.PrivateKeyString(private)} {
			if err := os.WriteFile(base+name, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		return
	}
	t.Fatal("no key with the same tag was found")
}

// TestP11_SignaturesAreRenewedInTime runs a zone with the shortest signatures
// that the policy allows and looks on while all of them are renewed: what is
// left on a signature is never less than signatures_refresh.
func TestP11_SignaturesAreRenewedInTime(t *testing.T) {
	t.Parallel()
	const zone = "example.org."
	const refresh = 310 * time.Second
	dir := t.TempDir()
	write(t, dir, map[string]string{"db": plain(1)})
	s := start(t, dir, block(zone, "db", "dnskey_ttl 1s", "signatures_refresh 310s", "signatures_validity 330s",
		"signatures_validity_dnskey 330s"))
	serial, first := s.signed(t, zone), expirations(t, s, zone)
	until(t, "every signature renewed", func() string {
		now := expirations(t, s, zone)
		for set, e := range now {
			if left := time.Until(time.Unix(int64(e), 0)); left < refresh-3*time.Second {
				t.Fatalf("%s has a signature with %v left", set, left)
			}
			if e == first[set] {
				return set + " has its first signature"
			}
		}
		return ""
	})
	if after := s.signed(t, zone); int32(after-serial) <= 0 {
		t.Errorf("serial %d after %d", after, serial)
	}
	verifyFile(t, zone, axfr(t, s.addr, zone))
}

// expirations returns when each signature of a zone ends.
func expirations(t *testing.T, s *server, zone string) map[string]uint32 {
	t.Helper()
	rrs, err := transfer(s.addr, zone)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]uint32{}
	for _, rr := range rrs {
		if sig, ok := rr.(*dns.RRSIG); ok {
			all[sig.Hdr.Name+" "+dns.TypeToString[sig.TypeCovered]] = sig.Expiration
		}
	}
	return all
}

// TestP12_MutatedZoneFilesAreNotPublished writes what scripts have made of
// zones: the trailing dots gone, most of the names gone, the NS gone.
func TestP12_MutatedZoneFilesAreNotPublished(t *testing.T) {
	t.Parallel()
	const zone = "example.org."
	var names strings.Builder
	for i := range 150 {
		fmt.Fprintf(&names, "host%d.example.org. IN A 192.0.2.%d\n", i, i)
	}
	full := func(serial int) string { return "$ORIGIN example.org.\n" + plain(serial) + names.String() }
	dir := t.TempDir()
	write(t, dir, map[string]string{"db": full(1)})
	s := start(t, dir, block(zone, "db"))
	serial := s.signed(t, zone)
	for i, bad := range []struct{ what, text string }{
		{"trailing dots dropped", strings.ReplaceAll(full(100), "example.org. IN", "example.org IN")},
		{"most names lost", plain(110)},
		{"NS lost", strings.ReplaceAll(strings.ReplaceAll(full(120), "@       IN NS   ns1\n", ""), "@       IN NS   ns2\n", "")},
	} {
		errors := count(s, "ERROR")
		write(t, dir, map[string]string{"db": bad.text})
		until(t, "a word on: "+bad.what, func() string {
			if count(s, "ERROR") == errors {
				return "it wrote: " + s.wrote()
			}
			return ""
		})
		if got, problem := soa(s.addr, zone); problem != "" || got != serial {
			t.Errorf("%s: serial %d, not %d; %s", bad.what, got, serial, problem)
		}
		write(t, dir, map[string]string{"db": full(105+10*i) + fmt.Sprintf("mended%d IN A 192.0.2.1\n", i)})
		serial = s.signedAfter(t, zone, serial)
	}
}

func count(s *server, word string) int {
	all, _ := os.ReadFile(s.log)
	return strings.Count(string(all), word)
}

// TestP15_IterationsGoToZeroWithoutAGap restarts a zone with other NSEC3
// parameters and then with NSEC: a name that is not there stays denied.
func TestP15_IterationsGoToZeroWithoutAGap(t *testing.T) {
	t.Parallel()
	const zone = "example.org."
	dir := t.TempDir()
	write(t, dir, map[string]string{"db": corners(zone, 1)})
	s := start(t, dir, block(zone, "db", "denial nsec3 salt_length 8 iterations 10"))
	s.signed(t, zone)
	if !s.has("WARNING") || !s.has("9276") {
		t.Errorf("no warning by RFC 9276:\n%s", s.wrote())
	}
	for _, denial := range []string{"nsec3", "nsec3 optout", "nsec", "nsec3 salt_length 4"} {
		serial := s.signed(t, zone)
		s.stop(t)
		s.configure(t, block(zone, "db", "denial "+denial))
		s.launch(t)
		until(t, "the version with denial "+denial, func() string {
			r := ask(t, s.addr, "nope."+zone, dns.TypeA, true)
			if r.Rcode == dns.RcodeServerFailure {
				return "not yet loaded"
			}
			if v, err := verify.Answer(r, trust(t, s.addr, zone)); err != nil || v.Kind != verify.NameError {
				t.Fatalf("on the way to %s: kind %v, error %v\n%v", denial, v.Kind, err, r)
			}
			now, problem := soa(s.addr, zone)
			if problem == "" && now == serial {
				problem = "still the old version"
			}
			return problem
		})
		verifyFile(t, zone, axfr(t, s.addr, zone))
	}
	s.stop(t)
	s.configure(t, block(zone, "db", "denial nsec3 iterations 51"))
	s.fork(t)
	s.ended(t)
	if !s.has("51") {
		t.Errorf("no word of 51 iterations:\n%s", s.wrote())
	}
}
