//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// autosign is CoreDNS with this repository's plugin.
type autosign struct {
	process
	binary string
	site   Site
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

// more is what the policy of a zone has beyond the common part, before and
// after the rollovers begin. A key rolls when it is older than its lifetime.
var more = map[string][2]string{
	"zsk":       {"zsk lifetime unlimited", "zsk lifetime 160s"},
	"ksk":       {"zsk lifetime unlimited", "zsk lifetime unlimited\nksk lifetime 160s"},
	"csk":       {"scheme csk", "scheme csk\ncsk lifetime 160s"},
	"algorithm": {"zsk lifetime unlimited", "zsk lifetime unlimited\nalgorithm ED25519"},
	"scheme":    {"zsk lifetime unlimited", "scheme csk"},
	"denial":    {"zsk lifetime unlimited", "zsk lifetime unlimited\ndenial nsec3"},
	"insecure":  {"zsk lifetime unlimited", "zsk lifetime unlimited\ninsecure"},
}

func (a *autosign) configure(rolled int) error {
	var b strings.Builder
	for _, k := range kinds {
		var extra strings.Builder
		for line := range strings.Lines(more[k][rolled] + "\n") {
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
	if err := a.configure(1); err != nil {
		return err
	}
	return a.cmd.Process.Signal(syscall.SIGUSR1)
}

// Nudge implements Server: autosign looks by itself.
func (a *autosign) Nudge(context.Context) error { return nil }

// Leave implements Server: autosign knows by itself.
func (a *autosign) Leave(context.Context) error { return nil }
