//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// autosign is CoreDNS with this repository's plugin.
type autosign struct {
	process
	binary string
	site   Site
	rolled time.Time // when the policies changed; zero: they have not, or are back
}

const autosignZone = `
%[1]s:%[2]d {
    bind 127.0.0.1
    file db.%[3]s
    transfer {
        to *
    }
    errors
    autosign {
        keys keys
        parent agents 127.0.0.1:%[4]d ds_ttl %[5]ds propagation_delay %[6]ds
        dnskey_ttl %[7]ds
        zone_propagation_delay %[8]ds
        publish_safety %[9]ds
        retire_safety %[9]ds
        signatures_validity %[10]ds
        signatures_validity_dnskey %[10]ds
        signatures_refresh %[11]ds
        new_keys always
%[12]s    }
}
`

// life is the lifetime of keys that are to roll: not more than there is room for
// in a roll of a CSK. Afterwards it is unlimited again.
const life = "4m30s"

// more is what the policy of a zone has beyond the common part, before and
// after the rollovers begin. A key rolls when it is older than its lifetime.
var more = map[string][2]string{
	"zsk":       {"zsk lifetime unlimited", "zsk lifetime " + life},
	"ksk":       {"zsk lifetime unlimited", "zsk lifetime unlimited\nksk lifetime " + life},
	"csk":       {"scheme csk", "scheme csk\ncsk lifetime " + life},
	"algorithm": {"zsk lifetime unlimited", "zsk lifetime unlimited\nalgorithm ED25519"},
	"scheme":    {"zsk lifetime unlimited", "scheme csk"},
	"denial":    {"zsk lifetime unlimited", "zsk lifetime unlimited\ndenial nsec3"},
	"insecure":  {"zsk lifetime unlimited", "zsk lifetime unlimited\ninsecure on"},
}

// configure writes the Corefile before the rollovers (0), for them (1), and
// when they have begun (2).
func (a *autosign) configure(step int) error {
	var b strings.Builder
	for _, k := range kinds {
		var extra strings.Builder
		text := more[k][min(step, 1)]
		if step == 2 {
			text = strings.ReplaceAll(text, life, "unlimited")
		}
		for line := range strings.Lines(text + "\n") {
			extra.WriteString("        " + line)
		}
		fmt.Fprintf(&b, autosignZone, strings.TrimSuffix(origin(k), "."), a.site.Port, k, a.site.Parent, dsTTL, parentPropagation,
			dnskeyTTL, zonePropagation, safety, validity, refresh, extra.String())
	}
	return os.WriteFile(filepath.Join(a.site.Dir, "Corefile"), []byte(b.String()), 0o600)
}

// Start implements Server.
func (a *autosign) Start(_ context.Context, s Site) error {
	a.site = s
	if err := a.configure(0); err != nil {
		return err
	}
	return a.start(s.Dir, a.binary, "-conf", "Corefile")
}

// Roll implements Server.
func (a *autosign) Roll(context.Context) error {
	a.rolled = time.Now()
	return a.reload(1)
}

func (a *autosign) reload(step int) error {
	if err := a.configure(step); err != nil {
		return err
	}
	return a.cmd.Process.Signal(syscall.SIGUSR1)
}

// Nudge implements Server: autosign looks by itself. When the rollovers have
// begun lifetimes are as before, so that no second one begins.
func (a *autosign) Nudge(context.Context) error {
	if a.rolled.IsZero() || time.Since(a.rolled) < 2*time.Minute {
		return nil
	}
	a.rolled = time.Time{}
	return a.reload(2)
}

// Leave implements Server: autosign knows by itself.
func (a *autosign) Leave(context.Context) error { return nil }
