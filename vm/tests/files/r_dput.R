structure(list(a = c(1.5, 0.5, -0.125), b = c(-2.25, 100, 3)), class = "data.frame", row.names = c("Mazda RX4", 
"Datsun 710", "Valiant"))
