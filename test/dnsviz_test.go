package test

import "testing"

func TestDNSViz_FindsNothingAtTheApex(t *testing.T) {
	for _, m := range modes[:3] {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			const zone = "example.org."
			dir := t.TempDir()
			write(t, dir, map[string]string{"db": plain(1, "@ A 192.0.2.1", "@ MX 10 www")})
			s := start(t, dir, block(zone, "db", "denial "+m.denial))
			s.signed(t, zone)
			dnsviz(t, s, zone)
		})
	}
}
