package test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// TestReload_EditIsSignedAndPublished follows one zone through edits.
func TestReload_EditIsSignedAndPublished(t *testing.T) {
	for _, m := range modes[:4] {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			const zone = "example.org."
			dir := t.TempDir()
			write(t, dir, map[string]string{"db": corners(zone, 1)})
			s := start(t, dir, block(zone, "db", "denial "+m.denial))
			serial := s.signed(t, zone)
			d := newDelv(t, s.addr, zone)
			for i, edit := range []string{
				"new IN A 192.0.2.101\n",
				"new IN A 192.0.2.102\nnew IN TXT two\nx.y.z.new IN A 192.0.2.103\n",
				"new IN NS ns.new\nns.new IN A 192.0.2.104\n",
				"*.new IN TXT any\n",
				"",
			} {
				write(t, dir, map[string]string{"db": corners(zone, 10+i) + edit})
				next := s.signedAfter(t, zone, serial)
				if int32(next-serial) <= 0 {
					t.Fatalf("serial %d after %d", next, serial)
				}
				serial = next
				verifyFile(t, zone, axfr(t, s.addr, zone))
				for _, name := range []string{"below.new.", "www.", "z.new.", "newer."} {
					if got, out := d.ask(t, name+zone, "TXT"); got == bogus && !strings.Contains(edit, "NS") {
						t.Errorf("after edit %d: %s%s: %s\n%s", i, name, zone, got, out)
					}
				}
			}
		})
	}
}

// TestReload_BadZoneLeavesTheLastGoodOne writes zones that must not be signed;
// the last good version goes on being served, the log names the record, and a
// mended file takes over.
func TestReload_BadZoneLeavesTheLastGoodOne(t *testing.T) {
	t.Parallel()
	const zone = "example.org."
	dir := t.TempDir()
	write(t, dir, map[string]string{"db": plain(1, "keep A 192.0.2.1")})
	s := start(t, dir, block(zone, "db"))
	serial := s.signed(t, zone)
	for i, bad := range []string{
		"lonely DS 1 13 2 " + strings.Repeat("AB", 32),
		"@ DS 2 13 2 " + strings.Repeat("AB", 32),
		"both CNAME www\nboth A 192.0.2.2",
		"*.sub NS ns1",
		"*.d DNAME www",
		"two DNAME www\ntwo DNAME ns1",
	} {
		name := absolute(strings.Fields(bad)[0], zone)
		write(t, dir, map[string]string{"db": plain(10*(i+1), "lost A 192.0.2.3", bad)})
		until(t, "a word on "+name, func() string {
			if !s.has("no usable source: " + name) {
				return "it wrote: " + s.wrote()
			}
			return ""
		})
		if got, problem := soa(s.addr, zone); problem != "" || got != serial {
			t.Errorf("%s: serial %d, not %d; %s", bad, got, serial, problem)
		}
		if r := ask(t, s.addr, "keep."+zone, dns.TypeA, true); len(r.Answer) != 2 {
			t.Errorf("%s: the last good version is not served: %v", bad, r)
		}
		write(t, dir, map[string]string{"db": plain(10*(i+1)+5, "keep A 192.0.2.1", fmt.Sprintf("mended%d A 192.0.2.4", i))})
		serial = s.signedAfter(t, zone, serial)
		verifyFile(t, zone, axfr(t, s.addr, zone))
	}
}

// TestReload_ByModificationTime changes a zone and not its serial: the file
// plugin then reads it because its time changed, and our serial must go on.
func TestReload_ByModificationTime(t *testing.T) {
	t.Parallel()
	const zone = "example.org."
	dir := t.TempDir()
	write(t, dir, map[string]string{"db": plain(1)})
	s := start(t, dir, strings.Replace(block(zone, "db"), "reload 200ms", "reload 200ms\n        reload_by_mtime", 1))
	serial := s.signed(t, zone)
	for i := range 3 {
		write(t, dir, map[string]string{"db": plain(1, fmt.Sprintf("change%d A 192.0.2.9", i))})
		next := s.signedAfter(t, zone, serial)
		if int32(next-serial) <= 0 {
			t.Fatalf("serial %d after %d", next, serial)
		}
		serial = next
		r := ask(t, s.addr, fmt.Sprintf("change%d.%s", i, zone), dns.TypeA, true)
		if len(r.Answer) != 2 {
			t.Errorf("change %d is not there: %v", i, r)
		}
	}
	verifyFile(t, zone, axfr(t, s.addr, zone))
}
