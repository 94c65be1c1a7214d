// Public test vectors. No code of this repository imports them: the tests of
// package jose have the go command download these versions, checked against
// go.sum, and read the files.
module github.com/tokenry/tokenry/jose/testdata/suites

go 1.26.4

require (
	github.com/c2sp/wycheproof v0.0.0-20260902155932-3fa63dd0344a
	github.com/nst/JSONTestSuite v0.0.0-20241122125541-1ef36fa01286
)
