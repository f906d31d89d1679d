// Command coredns is CoreDNS with all its stock plugins and autosign.
package main

import (
	"slices"

	"github.com/coredns/coredns/core/dnsserver"
	_ "github.com/coredns/coredns/core/plugin" // the stock plugins
	"github.com/coredns/coredns/coremain"

	_ "github.com/autosign-dns/autosign"
)

func init() {
	// The order of directives is the order of the plugin chain. autosign stands
	// directly after cache, in front of everything that holds zone data.
	at := slices.Index(dnsserver.Directives, "cache") + 1
	dnsserver.Directives = slices.Insert(dnsserver.Directives, at, "autosign")
}

func main() { coremain.Run() }
