package verify

// plain judges a name of a zone that is insecure on purpose: nothing there may
// make a validator, or a parent that polls CDS, take the zone for a signed one.
// A DS set at a delegation is the child's matter and stays.
func (j *judge) plain(n *owner) {
	for i := range n.sets {
		switch typ := n.sets[i].typ; typ {
		case typeDNSKEY, typeNSEC, typeNSEC3, typeNSEC3PARAM, typeCDS, typeCDNSKEY:
			j.fault(n.name, typ, "in a zone that is not signed")
		}
	}
	if len(n.sigs) > 0 {
		j.fault(n.name, typeRRSIG, "in a zone that is not signed")
	}
}
