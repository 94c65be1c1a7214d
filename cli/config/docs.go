package config

import (
	"fmt"
	"strings"
)

// Docs is docs/configuration.md, made from the table of settings; a test holds
// the two together.
func Docs() string {
	var b strings.Builder
	b.WriteString(docsHead)
	for _, f := range Fields() {
		def := "–"
		if f.Default != "" {
			def = "`" + f.Default + "`"
		}
		doc := f.Doc
		if len(f.OneOf) > 0 {
			doc += " One of `" + strings.Join(f.OneOf, "`, `") + "`."
		}
		if f.Secret {
			doc += " A secret: also as `" + f.Env() + "_FILE`."
		}
		if f.Later {
			doc += " **Not supported by this version.**"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", f.Key, f.Type(), def, doc)
	}
	return b.String()
}

const docsHead = `<!-- Made from cli/config/fields.go by: go test ./cli/config -run TestDocs -update -->
# Configuration

` + "`tokenry serve --config FILE`" + ` reads one YAML file. What is set in the environment wins over the file, and a
` + "`--set KEY=VALUE`" + ` flag wins over both; whatever is set nowhere has its default. A key that is not in the table is an
error that names the nearest one, with the line. ` + "`tokenry config check FILE`" + ` tells all of this without starting
anything, and ` + "`tokenry config schema`" + ` prints a JSON Schema for editors.

` + "```yaml" + `
version: 1
issuer: https://sts.example.com
public: { listen: ":8443", tls: { cert_file: /tls/tls.crt, key_file: /tls/tls.key } }
admin: { listen: "127.0.0.1:8081", bootstrap_token_file: /run/secrets/bootstrap }
keys: { kek_file: /run/secrets/kek }
` + "```" + `

The variable of a setting is its key in capitals behind ` + "`TOKENRY_`" + `, each dot as two underscores:
` + "`TOKENRY_DATABASE__URL`" + `. Lists are separated by commas there. A secret may also come as the name of a file, in the
variable with ` + "`_FILE`" + ` at its end; it is never taken from an argument. Durations read ` + "`30s`, `5m`, `720h`" + `, sizes
` + "`65536` or `64KiB`, rates `50/s`, `100/m` or `1000/h`" + `.

## Refused at the start

- an issuer that is not https (http is for loopback), or has a query, a fragment or a slash at its end
- a public listener without TLS, unless it is on loopback or ` + "`public.trusted_proxies`" + ` names the proxy that ends TLS
- an admin listener without TLS off loopback, unless ` + "`admin.insecure_plaintext`" + ` is true
- ` + "`public.mtls_listen` without `public.tls`, `public.client_cert_header` without `public.trusted_proxies`" + `
- ` + "`public.mtls_url` or `public.mtls_ca_file`" + ` where client certificates have no way to arrive
- ` + "`tokens.max_ttl`" + ` above one hour
- ` + "`serve` without `database.url`, `admin.bootstrap_token_file` or `keys.kek_file`" + `
- a setting whose feature this version does not have

## Settings

| setting | type | default | meaning |
|---|---|---|---|
`
