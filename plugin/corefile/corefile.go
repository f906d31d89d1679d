// Package corefile reads the autosign lines of a Corefile: tokens in, checked
// options out. Every fault of all lines is reported at once, with file and line.
package corefile

import (
	"github.com/coredns/caddy"

	"github.com/autosign-dns/autosign/plugin/policy"
)

// Options is one autosign line with its properties.
type Options struct {
	Zones  []string // normalized origins: lower case, with the final dot
	Keys   string   // directory of the key files and the state, as written
	Policy policy.Policy
	File   string // of the Corefile
	Line   int    // of the autosign line
}

// Parse reads all autosign lines of a server block. The warnings and each fault
// in the error begin with "FILE:LINE - ".
func Parse(c *caddy.Controller) ([]Options, []string, error) {
	return nil, nil, nil
}
