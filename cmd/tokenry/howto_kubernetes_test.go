package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/tokenry/tokenry/authtest"
)

// kubernetesPage: a cluster with an API server under a CA of its own, and a
// second one whose issuer is elsewhere, as that of EKS is.
func kubernetesPage(t *testing.T) *page {
	p := newPage(t, authtest.Options{})
	prod, eks := authtest.NewAPIServer(t, p.as.Clock), authtest.NewParty(t, false)
	etc, projected := filepath.Join(p.dir, "etc"), filepath.Join(p.dir, "projected")
	for _, folder := range []string{etc, projected} {
		if err := os.Mkdir(folder, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	report := func(change authtest.Claims) string { return prod.Token(t, p.as.Issuer, "prod/report", change) }
	uid := func() string {
		account := authtest.Payload(t, report(nil))["kubernetes.io"].(map[string]any)["serviceaccount"]
		return account.(map[string]any)["uid"].(string)
	}
	p.replace = append(p.replace,
		"https://cluster.example.com/openid/v1/jwks", prod.URL+"/jwks", "https://cluster.example.com", prod.URL,
		"/etc/tokenry/cluster-ca.pem", prod.CAFile, "/var/run/secrets/tokenry-reviewer/token", prod.TokenFile,
		"/var/run/secrets/tokenry", projected, "/etc/tokenry", etc,
		"https://oidc.eks.eu-central-1.amazonaws.com/id/0123456789ABCDEF0123456789ABCDEF", eks.URL,
		"8b0e6f0a-6a41-44b2-9a5d-0d2b6a6b9a01", uid(),
	)
	var podToken string
	p.tools = map[string]func(*testing.T, []string) string{
		"kubectl get --raw /.well-known": func(*testing.T, []string) string {
			return `{"issuer":"` + prod.URL + `","jwks_uri":"https://10.0.0.1:6443/openid/v1/jwks"}`
		},
		"kubectl create clusterrolebinding service-account-keys --clusterrole=system:service-account-issuer-discovery": nothing,
		"kubectl create serviceaccount research-alpha -n agents":                                                       nothing,
		"kubectl get serviceaccount report -n prod -o jsonpath={.metadata.uid}":                                        func(*testing.T, []string) string { return uid() },
		"kubectl create token report -n prod": func(t *testing.T, args []string) string {
			return prod.Token(t, option(t, args, "--audience"), "prod/report", accountAlone(uid())) + "\n"
		},
		"kubectl apply": func(t *testing.T, args []string) string {
			podToken = p.project(t, prod, option(t, args, "-f"))
			return ""
		},
		"kubectl --context eks create token report -n prod": func(t *testing.T, args []string) string {
			now := p.as.Clock.Now().Unix()
			claims := accountAlone("u-1")
			claims["iss"], claims["sub"], claims["aud"] = eks.URL, "system:serviceaccount:prod:report", []string{option(t, args, "--audience")}
			claims["iat"], claims["exp"] = now, now+3600
			return eks.Sign(t, "", claims) + "\n"
		},
		"kubectl --context eks get --raw /openid/v1/jwks": func(t *testing.T, _ []string) string {
			eks.AddKey(t, "k2", "RS256") // what was fetched before does not have it
			keys, err := json.Marshal(eks.JWKS())
			if err != nil {
				t.Error(err)
			}
			return string(keys)
		},
	}
	alpha := func(change authtest.Claims) string {
		return prod.Token(t, p.as.Issuer, "agents/research-alpha", change)
	}
	p.mistakes = map[string]func(*testing.T) string{
		"the pod's default token":        func(*testing.T) string { return prod.Token(t, prod.URL, "prod/report", nil) },
		"the token endpoint as audience": func(*testing.T) string { return prod.Token(t, p.as.Issuer+"/token", "prod/report", nil) },
		"an account of another namespace": func(*testing.T) string {
			return prod.Token(t, p.as.Issuer, "staging/report", nil)
		},
		"the account was made again": func(*testing.T) string {
			prod.Delete("serviceaccount/prod/report")
			return report(nil)
		},
		"a token of no pod, for the fleet": func(*testing.T) string { return alpha(accountOf("agents", "research-alpha", "u")) },
		"the pod is deleted": func(*testing.T) string {
			prod.Delete("pod/agents/research-alpha-0")
			return podToken
		},
	}
	return p
}

func nothing(*testing.T, []string) string { return "" }

// accountAlone is what a token says that `kubectl create token` makes: no pod.
func accountAlone(uid string) authtest.Claims { return accountOf("prod", "report", uid) }

func accountOf(namespace, name, uid string) authtest.Claims {
	return authtest.Claims{"kubernetes.io": authtest.Claims{"namespace": namespace, "serviceaccount": authtest.Claims{"name": name, "uid": uid}}}
}

// project does what the kubelet does with a pod: it puts the token that its
// volume asks for where its container mounts it.
func (p *page) project(t *testing.T, cluster *authtest.APIServer, file string) string {
	var pod struct {
		Kind     string
		Metadata struct{ Name, Namespace string }
		Spec     struct {
			ServiceAccountName string `yaml:"serviceAccountName"`
			Containers         []struct {
				VolumeMounts []struct {
					Name      string
					MountPath string `yaml:"mountPath"`
				} `yaml:"volumeMounts"`
			}
			Volumes []struct {
				Name      string
				Projected struct {
					Sources []struct {
						Token struct {
							Audience string
							Expires  int64 `yaml:"expirationSeconds"`
							Path     string
						} `yaml:"serviceAccountToken"`
					}
				}
			}
		}
	}
	text, err := os.ReadFile(filepath.Join(p.dir, file))
	if err == nil {
		err = yaml.Unmarshal(text, &pod)
	}
	if err != nil || pod.Kind != "Pod" || len(pod.Spec.Volumes) != 1 || len(pod.Spec.Containers) != 1 || len(pod.Spec.Containers[0].VolumeMounts) != 1 {
		t.Errorf("%s is no pod with one volume: %v", file, err)
		return ""
	}
	volume, mount := pod.Spec.Volumes[0], pod.Spec.Containers[0].VolumeMounts[0]
	if volume.Name != mount.Name || len(volume.Projected.Sources) != 1 {
		t.Errorf("%s: volume %q, mounted %q", file, volume.Name, mount.Name)
		return ""
	}
	want := volume.Projected.Sources[0].Token
	token := cluster.Token(t, want.Audience, pod.Metadata.Namespace+"/"+pod.Spec.ServiceAccountName, authtest.Claims{"exp": p.as.Clock.Now().Unix() + want.Expires})
	if !strings.HasPrefix(mount.MountPath, p.dir) {
		t.Errorf("mounted at %s, which no request reads", mount.MountPath)
		return token
	}
	write(t, filepath.Join(mount.MountPath, want.Path), token)
	return token
}
