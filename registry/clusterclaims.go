package registry

import (
	"maps"
	"slices"
	"strings"

	"github.com/tokenry/tokenry/condition"
)

// clusterClaim is the claim in which a cluster says whose token it is.
const clusterClaim = "kubernetes.io"

// clusterMembers are the members of clusterClaim, and theirs: all that the API
// server of Kubernetes writes, as privateClaims of its pkg/serviceaccount says.
func clusterMembers() map[string][]string {
	object := []string{"name", "uid"}
	return map[string][]string{
		"namespace": nil, "warnafter": nil,
		"node": object, "pod": object, "secret": object, "serviceaccount": object,
	}
}

// meantOfCluster returns which claim of a cluster is meant by a path that is
// near one and that no token has, or nil when there is none such: a member
// misspelt, or kubernetes.io.namespace, whose first dot is part of a name and
// whose second is none.
func meantOfCluster(path condition.Path) condition.Path {
	names := strings.Split(strings.Join(path, "."), ".")
	if len(names) < 2 || corrected(names[0]+"."+names[1], []string{clusterClaim}) != clusterClaim {
		return nil
	}
	meant := append(condition.Path{clusterClaim}, names[2:]...)
	members := clusterMembers()
	if len(meant) > 1 {
		meant[1] = corrected(meant[1], slices.Sorted(maps.Keys(members)))
		if _, known := members[meant[1]]; !known && path[0] == clusterClaim {
			return nil // of a Kubernetes to come; a dot may be part of its name
		}
	}
	if len(meant) > 2 {
		meant[2] = corrected(meant[2], members[meant[1]])
	}
	if slices.Equal(meant, path) {
		return nil
	}
	return meant
}

// corrected is the name, or the known one that it is nearly.
func corrected(name string, known []string) string {
	if near := condition.Misspelt(name, known); near != "" {
		return near
	}
	return name
}
