"""Language services of clouds: translators, classifiers and others that do not chat, by their REST APIs."""
