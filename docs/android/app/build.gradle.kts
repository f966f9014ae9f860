plugins {
    id("com.android.application")
    id("org.jetbrains.kotlin.android")
}

android {
    namespace = "org.example.edgepress"
    compileSdk = 35

    defaultConfig {
        applicationId = "org.example.edgepress"
        minSdk = 26
        targetSdk = 35
        versionCode = 1
        versionName = "1.0"
    }

    compileOptions {
        sourceCompatibility = JavaVersion.VERSION_17
        targetCompatibility = JavaVersion.VERSION_17
    }

    kotlinOptions { jvmTarget = "17" }

    // The snippet of the documentation, as it is.
    sourceSets["main"].kotlin.srcDir("../../snippets")

    // The model is mapped into memory from the package, which a compressed file cannot be.
    androidResources { noCompress += listOf("tflite", "json") }
}

dependencies {
    implementation("com.google.ai.edge.litert:litert:2.3.0")
    implementation("org.jetbrains.kotlinx:kotlinx-serialization-json:1.9.0")
}
