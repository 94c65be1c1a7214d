package server

// FositeConfig lets a test look at what fosite is composed with.
var FositeConfig = fositeConfig
